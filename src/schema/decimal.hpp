#pragma once
// A JSON number exactly as it was written: sign, digits, power of ten. Nothing is rounded and
// nothing is expanded, so 1e900000000 costs what 1 costs.

#include <cstdint>
#include <optional>
#include <string_view>

namespace taskstore::schema {

__extension__ using Wide = unsigned __int128;

/// Points into the number's text. Without leading and trailing zeros; zero has no digits.
class Decimal {
  public:
    Decimal() = default;
    /// `raw` is a valid JSON number with an exponent of at most nine digits.
    explicit Decimal(std::string_view raw);

    bool zero() const { return size() == 0; }
    bool negative() const { return x_negative; }
    bool integer() const { return x_exponent >= 0; }
    std::size_t size() const { return x_whole.size() + x_fraction.size(); }
    char digit(std::size_t index) const {
        return index < x_whole.size() ? x_whole[index] : x_fraction[index - x_whole.size()];
    }
    /// Of the last digit.
    std::int64_t exponent() const { return x_exponent; }
    std::uint64_t hash() const;

  private:
    bool x_negative = false;
    std::string_view x_whole;
    std::string_view x_fraction;
    std::int64_t x_exponent = 0;
};

/// Below, equal to or above zero as `a` is below, equal to or above `b`.
int compare(const Decimal& a, const Decimal& b);

/// Of a whole number that is not negative, else nothing. Beyond 64 bits: the largest.
std::optional<std::uint64_t> to_bound(const Decimal& number);

/// A positive number that others may be multiples of.
class Divisor {
  public:
    static constexpr std::size_t kDigitsMax = 37;
    Divisor() = default;
    /// `number` is positive and has at most kDigitsMax digits.
    explicit Divisor(const Decimal& number);
    bool divides(const Decimal& number) const;
    /// Whether the divisor is an integer of at most 18 digits: then integers can be asked about
    /// directly.
    bool small() const { return x_small != 0; }
    bool divides_integer(std::int64_t number) const { return number % x_small == 0; }

  private:
    Wide x_digits = 1;
    std::int64_t x_exponent = 0;
    std::int64_t x_small = 0;  ///< The divisor itself, or 0 where it is not small.
};

}  // namespace taskstore::schema
