#include "driver.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/ledger/scan.hpp>
#include <taskstore/records/kind.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

namespace taskstore {
namespace {

/// What messages call it.
const std::string& name_of(const DriverOperands& with) {
    return with.path.empty() ? with.ours : with.path;
}

/// Both sides whole, between markers: git counts the file as clashing, and nothing is lost.
DriverExit give_up(os::FileSystem& files, const DriverOperands& with, const std::string& why,
                   const std::string* ours) {
    say(name_of(with) + ": " + why);
    const auto theirs = os::read_file(files, with.theirs);
    if (ours == nullptr) return DriverExit::failed;
    const ledger::MergeOptions labels;
    const auto line = [&](char sign, const std::string& label) {
        return std::string(std::max(ledger::kMarkerBytesMin, with.marker_bytes), sign) + label +
               "\n";
    };
    const auto closed = [](std::string text) {
        if (!text.empty() && text.back() != '\n') text += '\n';
        return text;
    };
    const std::string text =
        line('<', " " + labels.ours_label) + closed(*ours) + line('=', "") +
        closed(theirs ? *theirs : std::string()) +
        line('>', " " + labels.theirs_label + (theirs ? "" : ", which could not be read"));
    if (const auto written = os::replace_file(files, with.ours, text); !written)
        say("and its markers could not be written: " + written.error().message);
    return DriverExit::failed;
}

/// One side edited what the other has no line of: for one of three reasons, which the files do not
/// tell apart.
void tell_of_buried(const std::string& path, std::size_t records) {
    const bool one = records == 1;
    say(path + ": " + std::to_string(records) + (one ? " record that was" : " records that were") +
        " edited on one side " + (one ? "is" : "are") +
        " not on the other: deleted there longer ago than compactions keep deletions (90 days by "
        "default), taken out by hand, or never there (a commit picked without the one that made " +
        (one ? "it" : "them") + ")");
    say("deleted it stays; the edits are listed by 'taskstore conflicts', and the branch that a "
        "picked commit came from brings its records when it is merged");
}

/// In files of other programs nothing can be listed, so it is said.
void tell_of_unlisted(const std::string& path, const std::vector<ledger::UnlistedValue>& values) {
    constexpr std::size_t kValuesMax = 20;
    constexpr std::size_t kValueBytesMax = 120;
    say(path + ": both sides changed; what lost to a newer value, or to a deletion:");
    for (std::size_t i = 0; i < std::min(values.size(), kValuesMax); ++i) {
        const std::string& raw = values[i].raw_value;
        std::string value = raw.empty() ? "(removed)" : std::string(cut_utf8(raw, kValueBytesMax));
        if (value.size() < raw.size()) value += "…";
        say("  " + values[i].id + " " + values[i].member + ": " + value);
    }
    if (values.size() > kValuesMax)
        say("  and " + std::to_string(values.size() - kValuesMax) + " more");
}

void tell_of_clashes(const std::string& path, const std::vector<std::string>& clashes) {
    std::string ids;
    for (const std::string& id : clashes) ids += (ids.empty() ? "" : ", ") + id;
    say(path + ": " + std::to_string(clashes.size()) +
        (clashes.size() == 1 ? " record clashes" : " records clash") +
        " (unlike values of one member, of equal time): " + ids);
    say("'taskstore conflicts' shows both sides, 'taskstore resolve ID --take ours' or '--take "
        "theirs' "
        "settles one and tells git");
}

/// Whether the path lies in a folder of a store, as git names it.
bool is_in_store(std::string_view path) {
    return path.starts_with(".taskstore/") || path.find("/.taskstore/") != std::string_view::npos;
}

DriverExit merge_texts(os::FileSystem& files, const DriverOperands& with, std::string& ours) {
    auto base = os::read_file(files, with.base);
    if (!base && base.error().code == Code::not_found) base = std::string();
    if (!base) return give_up(files, with, base.error().message, &ours);
    const auto theirs = os::read_file(files, with.theirs);
    if (!theirs) return give_up(files, with, theirs.error().message, &ours);
    ledger::MergeOptions options;
    options.shape = records::shape_of_file(name_of(with));
    options.in_store = with.path.empty() || is_in_store(with.path);
    options.marker_bytes = with.marker_bytes;
    const ledger::Merged result = ledger::merge_files({*base, ours, *theirs}, options);
    if (const auto written = os::replace_file(files, with.ours, result.text); !written)
        return give_up(files, with, written.error().message, &ours);
    if (!result.buried.empty()) tell_of_buried(name_of(with), result.buried.size());
    if (!result.unlisted.empty()) tell_of_unlisted(name_of(with), result.unlisted);
    if (result.clashes.empty()) return DriverExit::merged;
    tell_of_clashes(name_of(with), result.clashes);
    return DriverExit::clashes;
}

}  // namespace

void say(const std::string& text) {
    std::fprintf(stderr, "taskstore-merge: %s\n", printable_text(text).c_str());
}

DriverExit merge_over_ours(os::FileSystem& files, const DriverOperands& operands) {
    auto ours = os::read_file(files, operands.ours);
    if (!ours) return give_up(files, operands, ours.error().message, nullptr);
    try {
        return merge_texts(files, operands, *ours);
    } catch (const std::exception& error) {
        return give_up(files, operands, error.what(), &*ours);
    }
}

}  // namespace taskstore
