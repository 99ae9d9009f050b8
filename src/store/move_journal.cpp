#include "move_journal.hpp"

#include <taskstore/base/json.hpp>

#include <algorithm>
#include <array>

namespace taskstore::store {
namespace {

constexpr std::array<std::string_view, 6> kStages{"none",       "copying", "sealing",
                                                  "going_live", "live",    "ended"};

std::string path_of(const std::string& home, DatabaseName name, std::string_view ending) {
    return os::join_path(home, "move-" + std::string(name_of(name)) + std::string(ending));
}

void write_way(JsonWriter& writer, const Way& way) {
    writer.begin_object()
        .key("from")
        .string(sql::text_of(way.from))
        .key("to")
        .string(sql::text_of(way.to))
        .key("mark")
        .string(way.mark)
        .key("id")
        .string(way.id)
        .key("stage")
        .string(kStages.at(static_cast<std::size_t>(way.stage)))
        .key("epoch")
        .integer(way.epoch)
        .key("source_epoch")
        .integer(way.source_epoch)
        .end_object();
}

/// A home that got another name takes with it the files in it that the journal names.
class Renamed {
  public:
    Renamed(os::FileSystem& files, std::string before, std::string now)
        : x_files(files), x_before(std::move(before)), x_now(std::move(now)) {}
    sql::Location now(sql::Location location) const {
        if (x_before.empty() || x_before == x_now || !sql::row_of(location.engine).is_file ||
            !location.text.starts_with(x_before + "/") || x_files.info(x_before))
            return location;
        location.text.replace(0, x_before.size(), x_now);
        return location;
    }

  private:
    os::FileSystem& x_files;
    std::string x_before;
    std::string x_now;
};

/// Nothing where it is not what write_way() writes.
std::optional<Way> read_way(const Json& json, const Renamed& renamed) {
    const auto text = [&](std::string_view key) { return json.get(key).as_string().value_or(""); };
    const auto from = sql::parse_location(text("from"));
    const auto to = sql::parse_location(text("to"));
    const auto stage = std::ranges::find(kStages, text("stage"));
    if (!from || !to || stage == kStages.end() || text("mark").empty()) return std::nullopt;
    return Way{.from = renamed.now(*from),
               .to = renamed.now(*to),
               .mark = text("mark"),
               .id = text("id"),
               .stage = static_cast<Stage>(stage - kStages.begin()),
               .epoch = json.get("epoch").as_int64().value_or(0),
               .source_epoch = json.get("source_epoch").as_int64().value_or(0)};
}

enum class Names : std::uint8_t { now, as_written };

Result<std::optional<Journal>> read_journal(os::FileSystem& files, const std::string& home,
                                            DatabaseName name, Names names) {
    const std::string path = path_of(home, name, ".json");
    const auto text = os::read_file(files, path, 1 << 20);
    if (!text && text.error().code == Code::not_found) return std::optional<Journal>();
    if (!text) return fail(text.error());
    const auto json = Json::parse(*text);
    const std::string before = json ? json->get("home").as_string().value_or("") : "";
    const Renamed renamed(files, before, names == Names::now ? home : before);
    const auto way = json ? read_way(json->get("way"), renamed) : std::nullopt;
    const auto back = way ? read_way(json->get("back"), renamed) : std::nullopt;
    if (!way || (json->has("back") && !back))
        return fail(Code::corrupt, path + " does not say what is being moved")
            .with_hint(
                "look which place takes writes ('taskstore migrate --status'), name it in "
                "config.toml, and delete the file");
    Journal journal{
        .way = *way, .setting_before = json->get("setting_before").as_string(), .back = back};
    return std::optional(std::move(journal));
}

}  // namespace

Result<std::optional<Journal>> read_journal(os::FileSystem& files, const std::string& home,
                                            DatabaseName name) {
    return read_journal(files, home, name, Names::now);
}

Result<bool> is_named_by_move(os::FileSystem& files, const std::string& home, DatabaseName name,
                              const sql::Location& location) {
    for (const Names names : {Names::now, Names::as_written}) {
        TASKSTORE_LET(const auto journal, read_journal(files, home, name, names));
        if (!journal) return false;
        if (location == journal->way.to) return true;
        if (!journal->ended() && location == journal->way.from) return true;
    }
    return false;
}

Result<std::int64_t> planned_epoch(os::FileSystem& files, const std::string& home,
                                   DatabaseName name) {
    TASKSTORE_LET(const auto journal, read_journal(files, home, name));
    if (!journal) return 0;
    return std::max(journal->way.epoch, journal->back ? journal->back->epoch : 0);
}

Result<std::vector<OpenMove>> open_moves(os::FileSystem& files, const std::string& home) {
    std::vector<OpenMove> moves;
    for (const DatabaseName name : kDatabaseNames) {
        TASKSTORE_LET(const auto journal, read_journal(files, home, name));
        if (!journal || journal->ended()) continue;
        moves.push_back({.name = name,
                         .from = sql::shown(journal->way.from),
                         .to = sql::shown(journal->way.to),
                         .back = journal->back.has_value()});
    }
    return moves;
}

Status write_journal(os::FileSystem& files, const std::string& home, DatabaseName name,
                     const Journal& journal) {
    std::string text;
    JsonWriter writer(text, 2);
    writer.begin_object().key("home").string(home).key("way");
    write_way(writer, journal.way);
    writer.key("setting_before");
    if (journal.setting_before)
        writer.string(*journal.setting_before);
    else
        writer.null();
    if (journal.back) {
        writer.key("back");
        write_way(writer, *journal.back);
    }
    writer.end_object();
    return os::replace_file(files, path_of(home, name, ".json"), text + "\n", 0600);
}

Status forget_journal(os::FileSystem& files, const std::string& home, DatabaseName name) {
    const auto removed = files.unlink(path_of(home, name, ".json"));
    if (!removed && removed.error().code != Code::not_found) return removed;
    return files.sync_directory(home);
}

Result<TransferLock> TransferLock::take(os::FileSystem& files, const std::string& home,
                                        DatabaseName name) {
    TASKSTORE_TRY(os::make_directories(files, home, 0700));
    auto lock = std::make_unique<os::FileLock>(files, path_of(home, name, ".lock"));
    auto guard = lock->acquire_within(0);
    if (guard) return TransferLock(std::move(lock), std::move(*guard));
    if (guard.error().code != Code::timed_out) return fail(guard.error());
    return fail(Code::conflict, "another process moves or restores '" + std::string(name_of(name)) +
                                    "' on this device: " + guard.error().message)
        .with_hint("wait until it has ended");
}

}  // namespace taskstore::store
