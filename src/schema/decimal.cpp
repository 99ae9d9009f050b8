#include "decimal.hpp"

#include <algorithm>
#include <charconv>

namespace taskstore::schema {
namespace {

Wide add_modulo(Wide a, Wide b, Wide modulus) {
    // Moduli are below 2^124, so the sum does not wrap.
    const Wide sum = a + b;
    return sum >= modulus ? sum - modulus : sum;
}

Wide multiply_modulo(Wide a, Wide b, Wide modulus) {
    if (modulus <= UINT64_MAX) return a * b % modulus;
    Wide product = 0;
    for (; b != 0; b >>= 1U) {
        if ((b & 1U) != 0) product = add_modulo(product, a, modulus);
        a = add_modulo(a, a, modulus);
    }
    return product;
}

Wide power_of_ten_modulo(std::int64_t exponent, Wide modulus) {
    Wide result = 1 % modulus;
    Wide base = 10 % modulus;
    for (; exponent > 0; exponent >>= 1) {
        if ((exponent & 1) != 0) result = multiply_modulo(result, base, modulus);
        base = multiply_modulo(base, base, modulus);
    }
    return result;
}

}  // namespace

Decimal::Decimal(std::string_view raw) {
    if (raw[0] == '-') {
        x_negative = true;
        raw.remove_prefix(1);
    }
    const std::size_t e = raw.find_first_of("eE");
    if (e != std::string_view::npos) {
        std::string_view exponent = raw.substr(e + 1);
        if (exponent[0] == '+') exponent.remove_prefix(1);
        std::from_chars(exponent.data(), exponent.data() + exponent.size(), x_exponent);
        raw = raw.substr(0, e);
    }
    const std::size_t point = raw.find('.');
    x_whole = raw.substr(0, point);
    if (point != std::string_view::npos) x_fraction = raw.substr(point + 1);

    const auto trim_front = [](std::string_view& digits) {
        digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
    };
    const auto trim_back = [](std::string_view& digits) {
        const std::size_t last = digits.find_last_not_of('0');
        const std::size_t kept = last == std::string_view::npos ? 0 : last + 1;
        const std::size_t cut = digits.size() - kept;
        digits.remove_suffix(cut);
        return static_cast<std::int64_t>(cut);
    };
    trim_back(x_fraction);
    x_exponent -= static_cast<std::int64_t>(x_fraction.size());
    trim_front(x_whole);
    if (x_whole.empty()) trim_front(x_fraction);
    if (x_fraction.empty()) x_exponent += trim_back(x_whole);
    if (size() == 0) {
        x_exponent = 0;
        x_negative = false;
    }
}

std::uint64_t Decimal::hash() const {
    std::uint64_t hash = 0xCBF29CE484222325ULL ^ static_cast<std::uint64_t>(x_exponent);
    for (const std::string_view part : {x_whole, x_fraction}) {
        for (const char c : part) {
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
        }
    }
    return x_negative ? ~hash : hash;
}

int compare(const Decimal& a, const Decimal& b) {
    if (a.zero() || b.zero() || a.negative() != b.negative()) {
        const auto sign = [](const Decimal& d) { return d.zero() ? 0 : d.negative() ? -1 : 1; };
        return sign(a) - sign(b);
    }
    const int larger = a.negative() ? -1 : 1;
    const auto top_of = [](const Decimal& d) {
        return d.exponent() + static_cast<std::int64_t>(d.size());
    };
    if (top_of(a) != top_of(b)) return top_of(a) > top_of(b) ? larger : -larger;
    const std::size_t common = std::min(a.size(), b.size());
    for (std::size_t i = 0; i < common; ++i) {
        if (a.digit(i) != b.digit(i)) return a.digit(i) > b.digit(i) ? larger : -larger;
    }
    if (a.size() == b.size()) return 0;
    return a.size() > b.size() ? larger : -larger;
}

std::optional<std::uint64_t> to_bound(const Decimal& number) {
    if (number.negative() || !number.integer()) return std::nullopt;
    if (static_cast<std::int64_t>(number.size()) + number.exponent() > 19) return UINT64_MAX;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < number.size(); ++i) {
        value = value * 10 + static_cast<std::uint64_t>(number.digit(i) - '0');
    }
    for (std::int64_t i = 0; i < number.exponent(); ++i) value *= 10;
    return value;
}

Divisor::Divisor(const Decimal& number) : x_digits(0), x_exponent(number.exponent()) {
    for (std::size_t i = 0; i < number.size(); ++i) {
        x_digits = x_digits * 10 + static_cast<Wide>(number.digit(i) - '0');
    }
    if (const auto whole = to_bound(number); whole && *whole < 1'000'000'000'000'000'000ULL) {
        x_small = static_cast<std::int64_t>(*whole);
    }
}

bool Divisor::divides(const Decimal& number) const {
    if (number.zero()) return true;
    const std::int64_t shift = number.exponent() - x_exponent;
    // The number's last digit is not zero, so it holds no factor ten to make up for the difference.
    if (shift < 0) return false;
    Wide rest = 0;
    for (std::size_t i = 0; i < number.size(); ++i) {
        rest = multiply_modulo(rest, 10, x_digits);
        rest = add_modulo(rest, static_cast<Wide>(number.digit(i) - '0') % x_digits, x_digits);
    }
    return multiply_modulo(rest, power_of_ten_modulo(shift, x_digits), x_digits) == 0;
}

}  // namespace taskstore::schema
