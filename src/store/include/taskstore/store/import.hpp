#pragma once
// Moving in (floor 5): records of other programs, and our own exports, into a plan.
//
// Where things go
//   - Epics, projects, milestones and headings become PRDs, everything else task specs. A record
//     belongs to the nearest epic above it, else to its project or milestone (which are one PRD
//     whatever the file is called), else to the PRD that it has here, else to one made for the
//     file.
//   - Title, description, content, assignee, created time and status go to the fields declared for
//     them. Every other member of the source stays a member of the record, spelled as it was:
//     priority, labels, comments, dependencies.
//   - One member more, `_import`, tells where a record came from, by kind of source:
//       {KIND:{"hash":H,"was":{MEMBER:VALUE,…}},…}
//     `was` holds members of the source that could not stay as they were: another spelling of a
//     status, a time with another precision, names that the store sets itself. `hash` is of
//     all that the import wrote, so that an import which would write it again has nothing to do.
//   - Into a collection (`to`) members go as they are; `_import` then says the same.
//   - Records of our own exports come back as they were, without `_import`; `updated_at` and
//     stamps are those of the import. Collections that an export declares are declared first; what
//     is declared otherwise here stands, with a note.
//
// Importing again. Equal hash: unchanged, whatever people did to the record since. Otherwise each
// member that the source changed since the last import is written, and no other: the version that
// the last import wrote (the record's first, where none did) is what tells. What was deleted here
// stays deleted (`revive` takes it in again); what the source deleted is deleted. A record of an
// export is written where it is newer than what stands here.

#include <taskstore/exchange/incoming.hpp>
#include <taskstore/records/plan.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace taskstore::store {

struct ImportRequest {
    /// Gives the packed bytes from their beginning; called more than once.
    std::function<Result<std::unique_ptr<exchange::ByteSource>>()> open;
    std::string name;  ///< As the plan knows the file (name_in_plan); goes into made ids.
    std::optional<exchange::Kind> from;  ///< Else by content.
    std::string to;                      ///< Collection; empty: by meaning.
    bool dry_run = false;
    bool revive = false;
    bool strict = false;  ///< Writes nothing where something has no place to go.
    std::function<void(std::string_view what, std::int64_t done, std::int64_t total)> progress = {};
};

struct ImportCounts {
    std::int64_t created = 0;
    std::int64_t updated = 0;
    std::int64_t unchanged = 0;
    std::int64_t deleted = 0;
    std::int64_t skipped = 0;
};

struct ImportReport {
    exchange::Format format;
    exchange::Packing packing = exchange::Packing::none;
    std::int64_t records = 0;           ///< Whole ones in the source.
    std::int64_t declarations = 0;      ///< Of collections, in the source; damaged ones too.
    std::vector<std::string> declared;  ///< Collections that were not declared here before.
    std::map<std::string, ImportCounts> collections;
    std::map<std::string, std::int64_t> skipped;  ///< Why, and how many.
    /// What had no place to go, and how many.
    std::map<std::string, std::int64_t> no_place;
    std::vector<exchange::Damage> damaged;  ///< The first kDamagedMax.
    std::int64_t damaged_count = 0;
    /// Members that both the source and somebody here had changed: the source's value stands now,
    /// the other one in the history. "task_specs ID MEMBER"; the first kDamagedMax.
    std::vector<std::string> replaced;
    std::vector<std::string> notes;

    static constexpr std::size_t kDamagedMax = 1000;
    bool complete() const { return damaged_count == 0 && no_place.empty(); }
    /// The source holds nothing, neither whole nor damaged.
    bool empty() const { return records == 0 && declarations == 0 && damaged_count == 0; }
};

/// Batches of at most 8192 records and about 16 MiB, each durable when the next begins; after an
/// error (or a crash) those before it stand, and importing again does the rest. Two passes over the
/// source with memory for one batch and, per record, its id: nothing is written before the whole
/// source was read once. invalid: nothing is recognised, or nothing of it can be taken in. failed:
/// `strict` and something has no place, or the source is empty.
/// Times of records that bring none are the clock's, in the order of the source.
Result<ImportReport> import_records(records::Plan& plan, const Clock& clock,
                                    const ImportRequest& request);

}  // namespace taskstore::store
