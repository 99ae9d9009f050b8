// The files in .taskstore/schemas: when they are read again, and how they are written.

#include "plan_impl.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>

namespace taskstore::records {
namespace {

constexpr std::string_view kFolder = "schemas";
constexpr std::string_view kSuffix = ".json";
constexpr std::size_t kFileBytesMax = 9U << 20U;  // a schema has at most 8 MiB
constexpr std::int64_t kRacyMs = 100;             // coarser than any kernel's clock tick
constexpr std::size_t kReasonsMax = 5;

/// Whoever made the link there decides what would be read and written.
Failure not_a_folder(const std::string& path) {
    return fail(Code::denied, "'" + path + "' is no folder")
        .with_hint("put a folder there, not a file or a link");
}

/// Indexes and states stay where they are not given, and may be what the new schema cannot have.
Error with_the_part_at_fault(Error error, const CollectionRequest& request,
                             const std::string& before) {
    const auto fits_with = [&](const CollectionRequest& other) {
        auto text = CollectionSchema::compose(other, before);
        return text && CollectionSchema::parse(other.name, std::move(*text));
    };
    CollectionRequest other = request;
    if (before.empty() || !request.schema) return error;
    other.indexes.emplace();
    if (!request.indexes && fits_with(other)) {
        error.message += ", and it has had an index so far";
        error.hint = "say which indexes it has now with --index FIELD, or --no-index";
        return error;
    }
    other.indexes = request.indexes;
    other.status_table = "";
    if (!request.status_table && fits_with(other))
        error.hint = "give it other states with --status-table FILE, or --no-status-table";
    return error;
}

}  // namespace

std::string PlanImpl::schema_path(std::string_view collection) const {
    return os::join_path(os::join_path(x_options.folder, kFolder),
                         std::string(collection) + std::string(kSuffix));
}

bool PlanImpl::schemas_fit() {
    const std::string folder = os::join_path(x_options.folder, kFolder);
    std::vector<std::pair<std::string, os::FileIdentity>> seen;
    std::vector<SchemaFile> found;
    Result<std::vector<std::string>> names = std::vector<std::string>();
    const auto there = x_files.link_info(folder);
    if (there && there->kind == os::FileKind::directory)
        names = x_files.list(folder);
    else if (there || there.error().code != Code::not_found)
        names = there ? not_a_folder(folder) : fail(there.error());
    if (!names) {
        found.push_back({{}, fail(names.error())});
        seen.emplace_back();
    }
    bool racy = false;
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        if (!name.ends_with(kSuffix) || name.starts_with('.')) continue;
        const auto info = x_files.link_info(os::join_path(folder, name));
        if (!info && info.error().code == Code::not_found) continue;  // gone since
        seen.emplace_back(name, info ? info->identity : os::FileIdentity{});
        SchemaFile& file = found.emplace_back(SchemaFile{name, std::string()});
        if (!info) {
            file.text = fail(info.error());
        } else if (info->kind != os::FileKind::regular) {
            file.text = fail(Code::denied, "it is not a regular file");
        } else {
            racy = racy || x_clock.wall_ms() - info->identity.ctime_ns / 1'000'000 < kRacyMs;
        }
    }
    if (seen == x_schemas && !x_schemas_racy) return !x_other_tables;
    for (SchemaFile& file : found) {
        if (file.text)
            file.text = os::read_file(x_files, os::join_path(folder, file.name), kFileBytesMax);
    }
    x_schemas = std::move(seen);
    x_schemas_racy = racy;
    auto catalogue = Catalogue::of(found, x_catalogue.get());
    const bool same = schema_version(*catalogue) == schema_version(*x_catalogue);
    const std::lock_guard lock(x_reader_mutex);
    if (same) {
        if (x_cache) x_cache->use(catalogue);
    } else {
        x_other_tables = x_cache != nullptr;
        x_readers.clear();
        x_reader_cache = {};
        ++x_reader_age;
    }
    x_catalogue = std::move(catalogue);
    return !x_other_tables;
}

Result<std::shared_ptr<const Catalogue>> PlanImpl::catalogue() {
    TASKSTORE_TRY(ensure_fresh());
    return known_kinds();
}

/// The file is written: what goes wrong now is a warning.
void PlanImpl::follow_schemas_locked(Declaring& done) {
    done.changed = true;
    if (auto status = bring_up_locked(cached_state()); !status) {
        take_cache_away();
        done.notes.push_back("the cache stayed behind (" + status.error().message +
                             "); the next command builds it again");
    }
}

Result<Declaring> PlanImpl::declare(const CollectionRequest& request, Declare which) {
    TASKSTORE_TRY(check_declarable(request.name));
    const std::lock_guard db(x_db_mutex);
    const auto guard = x_ledger.lock().acquire(x_ledger.lock_wait());
    if (!guard) return fail(cannot_write(guard.error()));
    schemas_fit();
    const std::string path = schema_path(request.name);
    const auto there = os::read_file(x_files, path, kFileBytesMax);
    const bool absent = !there && there.error().code == Code::not_found;
    if (!absent && which == Declare::add) {
        return fail(Code::exists, "the collection '" + request.name + "' is declared already")
            .with_hint("change it with 'taskstore collection set " + request.name + "'");
    }
    if (absent && which == Declare::change) {
        std::vector<std::string_view> names;
        for (const Kind& kind : x_catalogue->kinds()) {
            if (kind.declared) names.push_back(kind.collection);
        }
        const auto nearest = nearest_name(request.name, names);
        return fail(Code::not_found, "the collection '" + request.name + "' is not declared")
            .with_hint(nearest ? "did you mean '" + std::string(*nearest) + "'?"
                               : "declare it with 'taskstore collection add " + request.name +
                                     " --schema FILE'");
    }
    // Git, or whoever else tells small from capital letters, may bring two of them; we make none.
    for (const auto& [name, unused] : x_schemas) {
        const auto same = [](char one, char other) { return (one | 0x20) == (other | 0x20); };
        const std::string file = request.name + std::string(kSuffix);
        if (absent && std::ranges::equal(name, file, same))
            return fail(Code::conflict, "'" + name + "' in the folder of schemas differs from '" +
                                            file + "' only in case")
                .with_hint("choose another name");
    }
    TASKSTORE_LET(const std::string text,
                  CollectionSchema::compose(request, there ? *there : std::string()));
    if (const auto schema = CollectionSchema::parse(request.name, text); !schema)
        return fail(with_the_part_at_fault(schema.error(), request, there ? *there : ""));
    Declaring done;
    if (there && *there == text) return done;
    if (absent && x_catalogue->kinds().size() - kinds().size() >= kDeclaredMax)
        return fail(Code::invalid,
                    "a plan declares at most " + std::to_string(kDeclaredMax) + " collections");
    const auto folder = x_files.link_info(os::folder_of(path));
    if (folder && folder->kind != os::FileKind::directory) return not_a_folder(os::folder_of(path));
    if (auto made = os::make_directories(x_files, os::folder_of(path)); !made)
        return fail(cannot_write(made.error()));
    if (auto made = ledger::complete_folder(x_files, x_options.folder); !made)
        done.notes.push_back("the store's .gitignore or .version could not be completed: " +
                             made.error().message);
    if (auto written = os::replace_file(x_files, path, text); !written)
        return fail(cannot_write(written.error()));
    follow_schemas_locked(done);
    return done;
}

Result<Declaring> PlanImpl::undeclare(std::string_view collection) {
    TASKSTORE_TRY(check_declarable(collection));
    const std::lock_guard db(x_db_mutex);
    const auto guard = x_ledger.lock().acquire(x_ledger.lock_wait());
    if (!guard) return fail(cannot_write(guard.error()));
    const std::string path = schema_path(collection);
    const auto folder = x_files.link_info(os::folder_of(path));
    if (folder && folder->kind != os::FileKind::directory) return not_a_folder(os::folder_of(path));
    if (const auto gone = x_files.unlink(path); !gone) {
        if (gone.error().code == Code::not_found)
            return fail(Code::not_found,
                        "the collection '" + std::string(collection) + "' is not declared")
                .with_hint("'taskstore collection list' shows what is");
        return fail(cannot_write(gone.error()));
    }
    if (auto flushed = x_files.sync_directory(os::folder_of(path)); !flushed)
        return fail(Code::outcome_unknown, flushed.error().message);
    Declaring done;
    follow_schemas_locked(done);
    return done;
}

Result<Misfits> PlanImpl::misfits(std::string_view collection, std::size_t listed_max) {
    return read([&](sql::Connection& db, const Catalogue& catalogue) -> Result<Misfits> {
        const CollectionSchema* const schema = catalogue.schema_of(collection);
        if (schema == nullptr)
            return fail(Code::not_found, "the collection '" + std::string(collection) +
                                             "' is not declared by a schema that can be read")
                .with_hint("'taskstore collection list' shows what is");
        TASKSTORE_LET(auto rows, db.prepare("SELECT id,data FROM " + table_of(&schema->kind()) +
                                            " ORDER BY id"));
        Misfits out;
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return out;
            if (++out.records % 4096 == 0 && x_options.progress)
                x_options.progress("checking", out.records, 0);
            const bool listed = out.listed.size() < listed_max;
            TASKSTORE_LET(const auto why,
                          reasons_of(*schema, rows->column_text(1), listed ? kReasonsMax : 1));
            if (why.empty()) continue;
            ++out.count;
            if (listed) out.listed.push_back({std::string(rows->column_text(0)), why});
        }
    });
}

Result<std::vector<std::string>> reasons_of(const CollectionSchema& schema, std::string_view data,
                                            std::size_t max) {
    std::vector<std::string> reasons;
    const auto violations = schema.violations(data, max);
    if (!violations) {
        // A check that costs too much says nothing about the cache.
        if (violations.error().code != Code::invalid) return fail(violations.error());
        reasons.push_back(violations.error().message);
        return reasons;
    }
    for (const schema::Violation& violation : *violations) {
        if (reasons.size() < max) reasons.push_back(reason_of(violation));
    }
    return reasons;
}

}  // namespace taskstore::records
