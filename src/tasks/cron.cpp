#include "cron.hpp"

#include <taskstore/base/ascii.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace taskstore::tasks {
namespace {

constexpr std::size_t kBytesMax = 1'024;
constexpr std::array<std::string_view, 12> kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                                                   "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kDays{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Field {
    std::string_view name;
    unsigned least;
    unsigned most;
    std::span<const std::string_view> words = {};  ///< Of `least` and what follows.
};
constexpr std::array kFields{Field{"minute", 0, 59}, Field{"hour", 0, 23},
                             Field{"day of month", 1, 31}, Field{"month", 1, 12, kMonths},
                             Field{"day of week", 0, 7, kDays}};

struct Nickname {
    std::string_view name;
    std::string_view meaning;
};
constexpr std::array kNicknames{
    Nickname{"@yearly", "0 0 1 1 *"},  Nickname{"@annually", "0 0 1 1 *"},
    Nickname{"@monthly", "0 0 1 * *"}, Nickname{"@weekly", "0 0 * * 0"},
    Nickname{"@daily", "0 0 * * *"},   Nickname{"@midnight", "0 0 * * *"},
    Nickname{"@hourly", "0 * * * *"}};

Failure wrong(const Field& field, std::string_view part, const std::string& why) {
    return fail(Code::invalid,
                "cron: '" + std::string(part) + "' is no " + std::string(field.name) + ": " + why);
}

std::optional<unsigned> number_of(std::string_view text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

Result<unsigned> value_of(const Field& field, std::string_view part, std::string_view text) {
    for (std::size_t i = 0; i < field.words.size(); ++i)
        if (ascii::same_word(field.words[i], text)) return field.least + static_cast<unsigned>(i);
    const auto number = number_of(text);
    if (!number || *number < field.least || *number > field.most)
        return wrong(field, part,
                     "'" + std::string(text) + "' is not in " + std::to_string(field.least) + ".." +
                         std::to_string(field.most) + (field.words.empty() ? "" : ", nor a name"));
    return *number;
}

/// "*", a value or a range, each with what a step leaves of it.
Result<std::uint64_t> part_of(const Field& field, std::string_view part) {
    const std::size_t slash = part.find('/');
    const std::string_view range = part.substr(0, slash);
    unsigned first = field.least;
    unsigned last = field.most;
    const std::size_t dash = range.find('-');
    if (range != "*") {
        TASKSTORE_LET(first, value_of(field, part, range.substr(0, dash)));
        last = first;
    }
    if (dash != std::string_view::npos) {
        TASKSTORE_LET(last, value_of(field, part, range.substr(dash + 1)));
        if (last < first) return wrong(field, part, "the range ends before it begins");
    }
    unsigned step = 1;
    if (slash != std::string_view::npos) {
        const auto number = number_of(part.substr(slash + 1));
        if (range != "*" && dash == std::string_view::npos)
            return wrong(field, part, "a step wants '*' or a range before it");
        if (!number || *number == 0) return wrong(field, part, "a step is a number from 1 on");
        step = std::min(*number, field.most + 1);
    }
    std::uint64_t set = 0;
    for (unsigned n = first; n <= last; n += step) set |= std::uint64_t{1} << n;
    return set;
}

Result<std::uint64_t> set_of(const Field& field, std::string_view text) {
    std::uint64_t set = 0;
    while (true) {
        const std::size_t comma = text.find(',');
        TASKSTORE_LET(const std::uint64_t part, part_of(field, text.substr(0, comma)));
        set |= part;
        if (comma == std::string_view::npos) return set;
        text.remove_prefix(comma + 1);
    }
}

std::vector<std::string_view> words_of(std::string_view text) {
    constexpr std::string_view kBlank = " \t";
    std::vector<std::string_view> words;
    for (std::size_t at = text.find_first_not_of(kBlank); at != std::string_view::npos;) {
        const std::size_t end = std::min(text.find_first_of(kBlank, at), text.size());
        words.push_back(text.substr(at, end - at));
        at = text.find_first_not_of(kBlank, end);
    }
    return words;
}

Result<std::string_view> meaning_of(std::string_view nickname) {
    for (const Nickname& one : kNicknames)
        if (ascii::same_word(one.name, nickname)) return one.meaning;
    return fail(Code::invalid, "cron: there is no '" + std::string(nickname) + "'")
        .with_hint("@hourly, @daily, @weekly, @monthly or @yearly");
}

}  // namespace

Result<Cron> parse_cron(std::string_view text) {
    if (text.size() > kBytesMax)
        return fail(Code::invalid, "cron: longer than " + std::to_string(kBytesMax) + " bytes");
    std::vector<std::string_view> words = words_of(text);
    if (words.size() == 1 && words[0].starts_with('@')) {
        TASKSTORE_LET(const std::string_view meaning, meaning_of(words[0]));
        words = words_of(meaning);
    }
    if (words.size() != kFields.size())
        return fail(Code::invalid,
                    "cron: five fields are wanted, and there are " + std::to_string(words.size()))
            .with_hint("minute, hour, day of month, month, day of week: '0 3 * * mon-fri'");
    std::array<std::uint64_t, kFields.size()> sets{};
    for (std::size_t i = 0; i < kFields.size(); ++i) {
        TASKSTORE_LET(sets[i], set_of(kFields[i], words[i]));
    }
    constexpr std::uint64_t kSevenDays = 0x7F;
    return Cron{.minutes = sets[0],
                .hours = sets[1],
                .days = sets[2],
                .months = sets[3],
                .weekdays = (sets[4] | sets[4] >> 7U) & kSevenDays,
                .any_day = words[2].starts_with('*') || words[4].starts_with('*'),
                .at_times = !words[0].starts_with('*') && !words[1].starts_with('*')};
}

}  // namespace taskstore::tasks
