// taskstore-merge: the merge driver that git calls for ledger files.

#include "driver.hpp"

#include <charconv>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 2;

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
  PATH          the file's name in the work tree, which tells the collection; of one outside a folder '.taskstore' that
                no line of taskstore is in, what lost is said, else it is noted in the lines ('taskstore conflicts')

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
.BR "taskstore conflicts" .
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

int wrong_usage(const std::string& what) {
    say(what);
    std::fprintf(stderr, "%s", kUsage.data());
    return kFailed;
}

int run(const std::vector<std::string>& words) {
    if (words.size() == 1 && (words[0] == "--help" || words[0] == "-h")) {
        std::printf("%s%s", kUsage.data(), kHelp.data());
        return kDone;
    }
    if (words.size() == 1 && words[0] == "manual") {
        std::printf("%s", kManual.data());
        return kDone;
    }
    if (words.size() == 1 && words[0] == "--version") {
        std::printf("taskstore-merge %s\n", TASKSTORE_VERSION);
        return kDone;
    }
    if (words.size() < 3 || words.size() > 5)
        return wrong_usage("it takes three files to merge, not " + std::to_string(words.size()));
    DriverOperands with{words[0], words[1], words[2], {}};
    // In this order, as git writes them: a path alone would be taken for a size by one of two
    // rules.
    if (words.size() > 3) {
        const std::string& word = words[3];
        std::size_t bytes = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), bytes);
        if (error != std::errc{} || end != word.data() + word.size() || bytes < 1 || bytes > 1000)
            return wrong_usage("'" + word + "' is no size of markers: from 1 to 1000 go");
        with.marker_bytes = bytes;
    }
    if (words.size() > 4) with.path = words[4];
    os::SystemFileSystem files;
    return static_cast<int>(merge_over_ours(files, with));
}

}  // namespace
}  // namespace taskstore

int main(int count, char** words) {
    try {
        return taskstore::run({words + 1, words + count});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "taskstore-merge: %s\n", error.what());
        return taskstore::kFailed;
    }
}
