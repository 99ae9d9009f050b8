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
