// Verbs about the repository that the store lives in.

#include "context.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/store/hooks.hpp>

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

}  // namespace taskstore::cli
