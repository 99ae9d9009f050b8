#include "rows.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/config/edit.hpp>
#include <taskstore/store/move.hpp>

namespace taskstore::store {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

/// What goes on, as it stands in move-NAME.json.
struct Journal {
    std::string from;  ///< How the place is named: a location's text.
    std::string to;
    /// What config.toml said before; nothing: it did not say.
    std::optional<std::string> setting_before;
    bool undoing = false;

    static std::string path(const MoveRequest& request) {
        return os::join_path(request.home, "move-" + std::string(name_of(request.name)) + ".json");
    }
};

std::string location_text(const sql::Location& location) {
    return (location.engine == sql::Engine::sqlite ? "sqlite:" : "") + location.text;
}

Result<std::optional<Journal>> read_journal(os::FileSystem& files, const MoveRequest& request) {
    const std::string path = Journal::path(request);
    const auto text = os::read_file(files, path, 1 << 20);
    if (!text && text.error().code == Code::not_found) return std::optional<Journal>();
    if (!text) return fail(text.error());
    const auto json = Json::parse(*text);
    Journal journal;
    if (json) {
        journal.from = json->get("from").as_string().value_or("");
        journal.to = json->get("to").as_string().value_or("");
        journal.setting_before = json->get("setting_before").as_string();
        journal.undoing = json->get("undoing").as_bool().value_or(false);
    }
    if (journal.from.empty() || journal.to.empty())
        return fail(Code::corrupt, path + " does not say what is being moved");
    return std::optional(std::move(journal));
}

Status write_journal(os::FileSystem& files, const MoveRequest& request, const Journal& journal) {
    std::string text;
    JsonWriter writer(text, 2);
    writer.begin_object().key("from").string(journal.from).key("to").string(journal.to);
    writer.key("setting_before");
    if (journal.setting_before)
        writer.string(*journal.setting_before);
    else
        writer.null();
    writer.key("undoing").boolean(journal.undoing).end_object();
    TASKSTORE_TRY(os::make_directories(files, request.home, 0700));
    return os::replace_file(files, Journal::path(request), text + "\n", 0600);
}

Status forget_journal(os::FileSystem& files, const MoveRequest& request) {
    const auto removed = files.unlink(Journal::path(request));
    if (!removed && removed.error().code != Code::not_found) return removed;
    return files.sync_directory(request.home);
}

/// One of the two ends.
struct End {
    sql::Location location;
    std::unique_ptr<sql::Connection> connection;
    sql::Identity identity;
};

class Mover {
  public:
    Mover(Databases& databases, const MoveRequest& request)
        : x_databases(databases),
          x_request(request),
          x_name(name_of(request.name)),
          x_tables(tables_of(request.name)) {}

    /// Source and target as the report's from and to; the source may be sealed, the target being
    /// filled.
    Result<MoveReport> run(const sql::Location& from, const sql::Location& to);

  private:
    Result<End> open_end(const sql::Location& location);
    Status reached(int step) {
        return x_request.after_step_for_testing ? x_request.after_step_for_testing(step) : ok();
    }
    Status check_target(const End& source, const End& target) const;
    Status check_fresh(End& target);
    Result<std::int64_t> copy(End& source, End& target, bool compare);
    CopyTarget target_of(End& target, sql::Database& writer) const;
    Status go_live(End& source, End& target);

    Databases& x_databases;
    const MoveRequest& x_request;
    const std::string x_name;
    const std::vector<sql::Table> x_tables;
    MoveReport x_report;
};

Result<End> Mover::open_end(const sql::Location& location) {
    End end{.location = location, .connection = nullptr, .identity = {}};
    TASKSTORE_LET(end.connection, x_databases.connect(x_request.name, location,
                                                      {.read_only = false, .create = true}));
    TASKSTORE_LET(end.identity, x_databases.bring_up(*end.connection, x_request.name, location));
    return end;
}

// What may be filled: what this very move began to fill, the other end of an earlier move of the
// same database (sealed), or a database that was never used.
Status Mover::check_target(const End& source, const End& target) const {
    const sql::Identity& there = target.identity;
    if (there.incoming_from == source.identity.id) return ok();
    if (there.id == source.identity.id && there.moved_to) return ok();
    if (!there.incoming_from && !there.moved_to && there.epoch == 1) return ok();
    return fail(Code::conflict, sql::shown(target.location) + " holds another database '" + x_name +
                                    "' (" + there.id + ")")
        .with_hint("name a place that holds none");
}

Status Mover::check_fresh(End& target) {
    if (target.identity.incoming_from || target.identity.moved_to) return ok();
    for (const sql::Table& table : x_tables) {
        TableRows rows(*target.connection, table);
        Row row;
        TASKSTORE_LET(const bool any, rows.next(row));
        if (any)
            return fail(Code::conflict, sql::shown(target.location) + " holds rows already")
                .with_hint("name a place that holds no database '" + x_name + "'");
    }
    return ok();
}

CopyTarget Mover::target_of(End& target, sql::Database& writer) const {
    CopyTarget to{*target.connection, writer};
    if (!target.identity.moved_to) return to;
    // Sealed since an earlier move: who has it open must not write there, even now.
    const std::string_view dialect = writer.dialect();
    to.before = sql::unseal_statements(dialect, x_tables);
    to.after = sql::seal_statements(dialect, x_tables, *target.identity.moved_to);
    return to;
}

/// The number of rows written or deleted; with `compare`, both sides are read again and must agree.
Result<std::int64_t> Mover::copy(End& source, End& target, bool compare) {
    TASKSTORE_LET(const auto writer, x_databases.open_at(x_request.name, target.location));
    CopyTarget to = target_of(target, *writer);
    std::int64_t changed = 0;
    x_report.rows = 0;
    for (const sql::Table& table : x_tables) {
        TableRows rows(*source.connection, table);
        RowDigest digest;
        const std::int64_t before = x_report.rows;
        TASKSTORE_LET(
            const CopyCounts counts,
            copy_rows(rows, table, to, compare ? &digest : nullptr, [&](std::int64_t done) {
                if (x_request.progress) x_request.progress(before + done, 0);
            }));
        x_report.rows += counts.rows;
        changed += counts.written + counts.deleted;
        if (!compare) continue;
        TASKSTORE_LET(const auto there, digest_of(*target.connection, table));
        if (there.first != digest.rows() || there.second != digest.finish_hex())
            return fail(Code::failed, "table '" + std::string(table.name) +
                                          "' is not the same in both places after the copy: " +
                                          std::to_string(digest.rows()) + " rows here, " +
                                          std::to_string(there.first) + " there")
                .with_hint("the source stays sealed and whole; run the same move again, or --undo");
    }
    return changed;
}

// One transaction in the target: from here on it is the truth.
Status Mover::go_live(End& source, End& target) {
    sql::Identity live = source.identity;
    live.epoch = std::max(source.identity.epoch, target.identity.epoch) + 1;
    live.moved_to.reset();
    live.incoming_from.reset();
    TASKSTORE_LET(auto transaction, sql::Transaction::begin_write(*target.connection));
    for (const std::string& text : sql::unseal_statements(target.connection->dialect(), x_tables))
        TASKSTORE_TRY(target.connection->execute(text));
    TASKSTORE_TRY(sql::put_identity(*target.connection, x_name, live, x_databases.clock()));
    TASKSTORE_TRY(transaction.commit());
    target.identity = std::move(live);
    return ok();
}

Result<MoveReport> Mover::run(const sql::Location& from, const sql::Location& to) {
    x_report = {.database = x_name, .from = sql::shown(from), .to = sql::shown(to)};
    TASKSTORE_LET(End source, open_end(from));
    TASKSTORE_LET(End target, open_end(to));
    if (source.identity.incoming_from) return fail(check_live(source.identity).error());
    const bool is_live = target.identity.id == source.identity.id && !target.identity.moved_to &&
                         !target.identity.incoming_from;
    // Two names of one place, or a move that had come to its end: the seal tells.
    if (is_live && !source.identity.moved_to)
        return fail(Code::invalid,
                    sql::shown(from) + " and " + sql::shown(to) + " are the same database");
    if (!is_live) {
        TASKSTORE_TRY(check_target(source, target));
        TASKSTORE_TRY(check_fresh(target));
        if (!target.identity.incoming_from) {
            sql::Identity incoming = target.identity;
            incoming.incoming_from = source.identity.id;
            TASKSTORE_TRY(
                sql::put_identity(*target.connection, x_name, incoming, x_databases.clock()));
            target.identity = std::move(incoming);
        }
        if (!source.identity.moved_to) {
            TASKSTORE_LET(x_report.copied_online, copy(source, target, false));
        }
        TASKSTORE_TRY(reached(1));
        const std::int64_t sealed_ns = x_databases.clock().boot_ns();
        TASKSTORE_TRY(sql::seal(*source.connection, x_name, x_tables, sql::shown(target.location)));
        TASKSTORE_TRY(reached(2));
        TASKSTORE_LET(x_report.copied_sealed, copy(source, target, true));
        TASKSTORE_TRY(reached(3));
        TASKSTORE_TRY(go_live(source, target));
        x_report.sealed_ms = (x_databases.clock().boot_ns() - sealed_ns) / kNsPerMs;
        TASKSTORE_TRY(reached(4));
    }
    x_report.epoch = target.identity.epoch;
    return x_report;
}

// --- the device's config
// ------------------------------------------------------------------------------------------------

std::string setting_key(DatabaseName name) {
    return "databases." + std::string(name_of(name));
}

Result<std::string> config_text(os::FileSystem& files, const std::string& path) {
    auto text = os::read_file(files, path, 1 << 20);
    if (!text && text.error().code == Code::not_found) return std::string();
    return text;
}

Status switch_config(os::FileSystem& files, const MoveRequest& request,
                     const std::optional<std::string>& value) {
    TASKSTORE_LET(const std::string before, config_text(files, request.config_path));
    TASKSTORE_LET(const std::string after,
                  config::with_text_setting(before, setting_key(request.name), value));
    if (after == before) return ok();
    const auto info = files.info(request.config_path);
    TASKSTORE_TRY(os::make_directories(files, os::folder_of(request.config_path), 0700));
    // The place may hold a password: nobody else reads it, however open the file was.
    return os::replace_file(files, request.config_path, after, info ? info->mode & 0700 : 0600);
}

bool named_by_environment(const Databases& databases, DatabaseName name) {
    const DatabaseSettings& settings = databases.options().settings;
    return settings.backend.environment || settings.path.environment || settings.url.environment ||
           settings.places[static_cast<std::size_t>(name)].environment;
}

Result<sql::Location> location_of(const std::string& text) {
    return sql::parse_location(text);
}

}  // namespace

Result<MoveReport> move_database(Databases& databases, const MoveRequest& request) {
    os::FileSystem& files = databases.files();
    TASKSTORE_LET(auto journal, read_journal(files, request));
    TASKSTORE_LET(const DatabasePlace at, databases.place(request.name));
    if (journal && journal->undoing)
        return fail(Code::conflict, "an earlier move is being taken back")
            .with_hint("end that first: 'taskstore move --undo'");
    const bool same = journal && journal->to == location_text(request.to);
    // A move that ended is history once another one begins from where it led.
    const bool ended = journal && journal->to == location_text(at.location);
    if (journal && !same && !ended)
        return fail(Code::conflict, "a move to another place is on its way")
            .with_hint("end it, or take it back: 'taskstore move --undo'");
    if (!same) {
        if (at.location == request.to)
            return fail(Code::invalid, "the database is there already: " + sql::shown(at.location));
        TASKSTORE_LET(const std::string config, config_text(files, request.config_path));
        const auto& own =
            databases.options().settings.places[static_cast<std::size_t>(request.name)];
        journal = Journal{.from = location_text(at.location),
                          .to = location_text(request.to),
                          .setting_before = own.value.empty() || own.environment
                                                ? std::nullopt
                                                : std::optional(own.value)};
        TASKSTORE_TRY(write_journal(files, request, *journal));
    }
    TASKSTORE_LET(const sql::Location from, location_of(journal->from));
    auto moved = Mover(databases, request).run(from, request.to);
    if (!moved) {
        // Refused before anything was done: nothing to go on with.
        const Code code = moved.error().code;
        if (!same && (code == Code::invalid || code == Code::conflict || code == Code::unsupported))
            static_cast<void>(forget_journal(files, request));
        return moved;
    }
    moved->place_source = at.source;
    moved->config_switched = !named_by_environment(databases, request.name);
    if (moved->config_switched) TASKSTORE_TRY(switch_config(files, request, request.to_text));
    if (request.after_step_for_testing) TASKSTORE_TRY(request.after_step_for_testing(5));
    return moved;
}

Result<MoveReport> undo_move(Databases& databases, const MoveRequest& request) {
    os::FileSystem& files = databases.files();
    TASKSTORE_LET(auto journal, read_journal(files, request));
    if (!journal)
        return fail(Code::not_found, "no move of '" + std::string(name_of(request.name)) +
                                         "' is known to this device")
            .with_hint("'taskstore move --to PLACE' moves it");
    TASKSTORE_LET(const sql::Location from, location_of(journal->from));
    TASKSTORE_LET(const sql::Location to, location_of(journal->to));
    if (!journal->undoing) {
        journal->undoing = true;
        TASKSTORE_TRY(write_journal(files, request, *journal));
    }
    // The new place is the truth, or is not yet: then the old one only has to be opened again.
    TASKSTORE_LET(const auto there,
                  databases.connect(request.name, to, {.read_only = false, .create = true}));
    TASKSTORE_LET(const auto identity, sql::find_identity(*there, name_of(request.name)));
    TASKSTORE_LET(const auto here,
                  databases.connect(request.name, from, {.read_only = false, .create = true}));
    TASKSTORE_LET(const auto own, sql::find_identity(*here, name_of(request.name)));
    MoveReport report{.database = std::string(name_of(request.name)),
                      .from = sql::shown(to),
                      .to = sql::shown(from)};
    const bool went_live = identity && own && identity->id == own->id && !identity->incoming_from;
    if (went_live) {
        // Either still the truth, or sealed by an undo that was broken off.
        TASKSTORE_LET(report, Mover(databases, request).run(to, from));
    } else {
        if (own) {
            sql::Identity again = *own;
            again.moved_to.reset();
            TASKSTORE_TRY(sql::unseal(*here, name_of(request.name), tables_of(request.name)));
            report.epoch = again.epoch;
        }
    }
    report.config_switched = !named_by_environment(databases, request.name);
    if (report.config_switched)
        TASKSTORE_TRY(switch_config(files, request, journal->setting_before));
    TASKSTORE_TRY(forget_journal(files, request));
    return report;
}

}  // namespace taskstore::store
