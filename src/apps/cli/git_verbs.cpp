// Verbs about the repository that the store lives in.

#include "git_verbs.hpp"

#include <taskstore/base/display.hpp>

#include <algorithm>

namespace taskstore::cli {

Result<git::Repository> Context::repository() {
    TASKSTORE_LET(const store::Place at, place());
    return git::Repository::find(files, at.folder, git::Environment::of_process());
}

Status run_install_hooks(Context& context) {
    TASKSTORE_LET(const store::Place place, context.place());
    TASKSTORE_TRY(context.settings());  // refuses another user's folder before anything is changed
    TASKSTORE_LET(const git::Repository repository, context.repository());
    TASKSTORE_LET(const store::GitPlaces places,
                  store::git_places(context.files, repository, place));
    const bool away = context.call.has("uninstall");
    TASKSTORE_LET(const store::Installed installed,
                  away ? store::uninstall_hooks(context.files, places)
                       : store::install_hooks(context.files, places));
    context.wrote = away ? "the hooks are gone" : "the hooks are installed";
    if (context.json) {
        std::string data;
        JsonWriter writer(data);
        writer.begin_object().key("changed").begin_array();
        for (const std::string& text : installed.done) writer.string(text);
        writer.end_array().key("notes").begin_array();
        for (const std::string& text : installed.notes) writer.string(text);
        writer.end_array().end_object();
        context.print_json("hooks", data);
        return ok();
    }
    for (const std::string& text : installed.notes) context.warn(text);
    if (context.quiet) return ok();
    for (const std::string& text : installed.done)
        context.print("✓ " + printable_line(text) + "\n");
    if (installed.done.empty())
        context.print(away ? "nothing of taskstore was there\n" : "all is in place already\n");
    return ok();
}

std::vector<store::Unmerged> settle_unmerged(Context& context, const store::Place& place) {
    if (!place.exists) return {};
    const auto repository = context.repository();
    if (!repository || repository->work_tree().empty()) return {};
    auto settled = store::settle_unmerged(context.files, *repository, place, context.lock_wait());
    if (settled) return std::move(*settled);
    context.warn("whether git left ledger files unmerged is unknown: " + settled.error().message);
    return {};
}

namespace {

/// A file changed so recently may change again within the same tick of its clock.
constexpr std::int64_t kRecentNs = 50'000'000;

}  // namespace

SeenByHook::SeenByHook(Context& context, const store::Place& place)
    : x_context(context), x_place(place), x_path(place.replica_path + ".seen"), x_before(look()) {}

std::string SeenByHook::look() const {
    std::string out;
    const auto now_ns = x_context.clock.wall_ms() * 1'000'000;
    const auto add = [&](const std::string& path) {
        const auto info = x_context.files.link_info(path);
        if (!info) return true;
        const os::FileIdentity& id = info->identity;
        for (const std::int64_t one :
             {static_cast<std::int64_t>(id.device), static_cast<std::int64_t>(id.inode), id.size,
              id.mtime_ns, id.ctime_ns})
            out += std::to_string(one) + " ";
        out += path + '\0';
        return std::max(id.mtime_ns, id.ctime_ns) < now_ns - kRecentNs;
    };
    const auto names = x_context.files.list(x_place.folder);
    if (!names) return {};
    for (const std::string& name : *names) {
        const bool counts = name.ends_with(".jsonl") || name == ".version" || name == "schemas";
        const std::string path = os::join_path(x_place.folder, name);
        if (counts && !add(path)) return {};
        if (name == "schemas") {
            const auto schemas = x_context.files.list(path);
            for (const std::string& schema : schemas ? *schemas : std::vector<std::string>()) {
                if (!add(os::join_path(path, schema))) return {};
            }
        }
        // Its times move with every command; another file is another cache.
        if (name == "store.db") {
            const auto info = x_context.files.link_info(path);
            if (info) out += std::to_string(info->identity.inode) + '\0';
        }
    }
    return out;
}

bool SeenByHook::holds() const {
    if (x_before.empty()) return false;
    const auto saved = os::read_file(x_context.files, x_path, 1 << 20);
    return saved && *saved == x_before;
}

void SeenByHook::keep() {
    if (x_before.empty() || look() != x_before) return;
    auto file = x_context.files.open(x_path, os::OpenMode::create, 0600);
    if (!file || !(*file)->truncate(0)) return;
    (void)(*file)->write_at(0, x_before).has_value();
}

namespace {

std::string text_of(const store::StagedProblem& problem) {
    if (problem.what == store::StagedProblem::What::dropped)
        return problem.path + ": record '" + problem.why +
               "' of one side of the merge would be dropped";
    return problem.path + ":" + std::to_string(problem.line) + ": " +
           (problem.what == store::StagedProblem::What::damaged ? "a damaged line, " : "") +
           problem.why;
}

Failure refusal(const std::vector<store::StagedProblem>& problems) {
    constexpr std::size_t kShownMax = 5;
    std::string text = "ledger files are staged that should not be committed: ";
    for (std::size_t i = 0; i < problems.size() && i < kShownMax; ++i)
        text += (i == 0 ? "" : "; ") + text_of(problems[i]);
    if (problems.size() > kShownMax)
        text += "; " + std::to_string(problems.size() - kShownMax) + " more";
    const bool damaged = std::ranges::any_of(problems, [](const store::StagedProblem& problem) {
        return problem.what == store::StagedProblem::What::damaged;
    });
    return fail(damaged ? Code::corrupt : Code::conflict, std::move(text))
        .with_hint(damaged ? "put the lines right in an editor, 'git add' the file, commit again"
                           : "'taskstore sync' merges what git left unmerged, 'taskstore doctor' "
                             "says what is left to do; then 'git add' the file and commit again");
}

}  // namespace

Status refuse_bad_commit(Context& context) {
    TASKSTORE_LET(const store::Place place, context.place());
    const auto repository = context.repository();
    if (!repository) return ok();
    const auto problems = store::check_staged(context.files, *repository, place);
    if (!problems) {
        context.warn("what is staged could not be judged: " + problems.error().message);
        return ok();
    }
    return problems->empty() ? ok() : Status(refusal(*problems));
}

Status run_check_staged(Context& context) {
    TASKSTORE_LET(const store::Place place, context.place());
    TASKSTORE_TRY(context.settings());
    TASKSTORE_LET(const git::Repository repository, context.repository());
    TASKSTORE_LET(const auto problems, store::check_staged(context.files, repository, place));
    if (!problems.empty()) return refusal(problems);
    if (context.json)
        context.print_json("staged", "{\"refused\":false}");
    else if (!context.quiet)
        context.print("✓ what is staged of the plan is in order\n");
    return ok();
}

}  // namespace taskstore::cli
