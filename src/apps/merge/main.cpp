// taskstore-merge: the merge driver that git calls for ledger files.

#include <taskstore/base/display.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/ledger/merge.hpp>
#include <taskstore/ledger/scan.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/records/kind.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore {
namespace {

enum Exit : int { merged = 0, clashes = 1, failed = 2 };

constexpr std::string_view kUsage =
    "usage: taskstore-merge BASE OURS THEIRS [MARKER_BYTES [PATH]]\n";
constexpr std::string_view kHelp =
    R"(
Merges three versions of a ledger file (JSONL) by the records they hold, and writes the result over OURS.
Git calls it; in its configuration the operands are written %O %A %B %L %P:

  git config merge.taskstore-merge.name "taskstore ledgers"
  git config merge.taskstore-merge.driver "taskstore-merge %O %A %B %L %P"
  echo '.taskstore/*.jsonl merge=taskstore-merge -text' >> .gitattributes

  BASE          the common version; one that does not exist is empty
  MARKER_BYTES  the size of conflict markers (7)
  PATH          the file's name in the work tree, which tells the collection

Exit status: 0 merged; 1 some records clash, and stand between markers; 2 wrong usage, or the merge failed and OURS holds
what was there between markers.
)";
constexpr std::string_view kManual = R"(.TH TASKSTORE-MERGE 1
.SH NAME
taskstore-merge \- merge driver of git for the ledger files of taskstore
.SH SYNOPSIS
.B taskstore-merge
.I BASE OURS THEIRS
.RI [ MARKER_BYTES
.RI [ PATH ]]
.SH DESCRIPTION
Merges three versions of a ledger file (JSONL) by the records they hold, member by member, and writes the result over
.IR OURS .
What one side alone changed is taken; what both changed goes by the stamps in the lines, and the value that lost stays listed by
.BR "taskstore doctor" .
.PP
Git calls it with
.B "taskstore-merge %O %A %B %L %P"
as the command of a merge driver.
.SH EXIT STATUS
.TP
.B 0
merged
.TP
.B 1
some records clash: their lines stand between conflict markers of
.I MARKER_BYTES
characters (7)
.TP
.B 2
wrong usage, or the merge failed and
.I OURS
holds what was there between markers
.SH SEE ALSO
.BR taskstore (1),
.BR gitattributes (5)
)";

void say(const std::string& text) {
    std::fprintf(stderr, "taskstore-merge: %s\n", printable_text(text).c_str());
}

int wrong_usage(const std::string& what) {
    say(what);
    std::fprintf(stderr, "%s", kUsage.data());
    return failed;
}

/// How lines of the file name their record and their time.
ledger::Shape shape_of(std::string_view path) {
    std::string name = os::name_of_path(path);
    if (name.ends_with(".jsonl")) name.resize(name.size() - 6);
    const records::Kind* kind = records::find_collection(name);
    return kind != nullptr ? kind->shape() : ledger::Shape{};
}

struct Operands {
    std::string base;
    std::string ours;
    std::string theirs;
    std::string path;
    ledger::MergeOptions options;
};

/// Both sides whole, between markers: git counts the file as clashing, and nothing is lost.
int give_up(os::FileSystem& files, const Operands& with, const std::string& why) {
    say(with.path + ": " + why);
    const auto ours = os::read_file(files, with.ours);
    auto theirs = os::read_file(files, with.theirs);
    if (!ours) return failed;
    const auto line = [&](char sign, const std::string& label) {
        return std::string(std::max(ledger::kMarkerBytesMin, with.options.marker_bytes), sign) +
               label + "\n";
    };
    const auto closed = [](std::string text) {
        if (!text.empty() && text.back() != '\n') text += '\n';
        return text;
    };
    const std::string text =
        line('<', " " + with.options.ours_label) + closed(*ours) + line('=', "") +
        closed(theirs ? *theirs : std::string()) +
        line('>', " " + with.options.theirs_label + (theirs ? "" : ", which could not be read"));
    if (const auto written = os::replace_file(files, with.ours, text); !written)
        say("and its markers could not be written: " + written.error().message);
    return failed;
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
    say(path + ": both sides changed, and the newer value stands; what lost:");
    for (std::size_t i = 0; i < std::min(values.size(), kValuesMax); ++i) {
        const std::string& raw = values[i].raw_value;
        std::string value = raw.empty() ? "(removed)" : std::string(cut_utf8(raw, kValueBytesMax));
        if (value.size() < raw.size()) value += "…";
        say("  " + values[i].id + " " + values[i].member + ": " + value);
    }
    if (values.size() > kValuesMax)
        say("  and " + std::to_string(values.size() - kValuesMax) + " more");
}

/// Whether the path lies in a folder of a store, as git names it.
bool is_in_store(std::string_view path) {
    return path.starts_with(".taskstore/") || path.find("/.taskstore/") != std::string_view::npos;
}

int merge_with(os::FileSystem& files, const Operands& with) {
    auto base = os::read_file(files, with.base);
    if (!base && base.error().code == Code::not_found) base = std::string();
    if (!base) return give_up(files, with, base.error().message);
    const auto ours = os::read_file(files, with.ours);
    if (!ours) return give_up(files, with, ours.error().message);
    const auto theirs = os::read_file(files, with.theirs);
    if (!theirs) return give_up(files, with, theirs.error().message);
    const ledger::Merged result = ledger::merge_files({*base, *ours, *theirs}, with.options);
    if (const auto written = os::replace_file(files, with.ours, result.text); !written)
        return give_up(files, with, written.error().message);
    if (!result.buried.empty()) tell_of_buried(with.path, result.buried.size());
    if (!result.unlisted.empty()) tell_of_unlisted(with.path, result.unlisted);
    if (result.clashes.empty()) return merged;
    std::string ids;
    for (const std::string& id : result.clashes) ids += (ids.empty() ? "" : ", ") + id;
    say(with.path + ": " + std::to_string(result.clashes.size()) +
        (result.clashes.size() == 1 ? " record clashes" : " records clash") +
        " (unlike values of one member, of equal time): " + ids);
    say("'taskstore conflicts' shows both sides, 'taskstore resolve ID --take ours' or '--take "
        "theirs' "
        "settles one and tells git");
    return clashes;
}

int merge(const Operands& with) {
    os::SystemFileSystem files;
    try {
        return merge_with(files, with);
    } catch (const std::exception& error) {
        return give_up(files, with, error.what());
    }
}

int run(const std::vector<std::string>& words) {
    if (words.size() == 1 && (words[0] == "--help" || words[0] == "-h")) {
        std::printf("%s%s", kUsage.data(), kHelp.data());
        return merged;
    }
    if (words.size() == 1 && words[0] == "manual") {
        std::printf("%s", kManual.data());
        return merged;
    }
    if (words.size() == 1 && words[0] == "--version") {
        std::printf("taskstore-merge %s\n", TASKSTORE_VERSION);
        return merged;
    }
    if (words.size() < 3 || words.size() > 5)
        return wrong_usage("it takes three files to merge, not " + std::to_string(words.size()));
    Operands with{words[0], words[1], words[2], words[1], {}};
    // In this order, as git writes them: a path alone would be taken for a size by one of two
    // rules.
    if (words.size() > 3) {
        const std::string& word = words[3];
        std::size_t bytes = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), bytes);
        if (error != std::errc{} || end != word.data() + word.size() || bytes < 1 || bytes > 1000)
            return wrong_usage("'" + word + "' is no size of markers: from 1 to 1000 go");
        with.options.marker_bytes = bytes;
    }
    if (words.size() > 4) with.path = words[4];
    with.options.shape = shape_of(with.path);
    with.options.in_store = is_in_store(with.path);
    return merge(with);
}

}  // namespace
}  // namespace taskstore

int main(int count, char** words) {
    try {
        return taskstore::run({words + 1, words + count});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "taskstore-merge: %s\n", error.what());
        return taskstore::failed;
    }
}
