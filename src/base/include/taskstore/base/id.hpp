#pragma once
// Ids (floor 0): UUIDv7, and a template for ids that are types, so that swapping two does not
// compile. Source: RFC 9562 section 5.7, with the counter method of section 6.2 (method 1) for ids
// of one millisecond.

#include <taskstore/base/clock.hpp>

#include <compare>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace taskstore {

/// A text id of one kind of thing. `Tag` is any (incomplete) type.
template <typename Tag>
class Id {
  public:
    Id() = default;
    explicit Id(std::string text) : x_text(std::move(text)) {}
    const std::string& text() const { return x_text; }
    bool empty() const { return x_text.empty(); }
    friend auto operator<=>(const Id&, const Id&) = default;

  private:
    std::string x_text;
};

/// Makes UUIDv7 text, 36 lower-case characters; ascending within one generator even if the clock
/// stands still or steps back. Thread-safe.
class UuidSource {
  public:
    UuidSource(const Clock& clock, Random& random) : x_clock(clock), x_random(random) {}
    std::string next();

  private:
    const Clock& x_clock;
    Random& x_random;
    std::mutex x_mutex;
    std::uint64_t x_last_ms = 0;
    std::uint32_t x_counter = 0;
};

/// Whether `text` is a UUID in the 8-4-4-4-12 hexadecimal form.
bool is_uuid(std::string_view text);

}  // namespace taskstore
/// @cond
template <typename Tag>
struct std::hash<taskstore::Id<Tag>> {
    std::size_t operator()(const taskstore::Id<Tag>& id) const noexcept {
        return std::hash<std::string>{}(id.text());
    }
};
/// @endcond
