// Copies of databases by their engines' own means.
#include <taskstore/store/databases.hpp>

namespace taskstore::store {

Result<std::unique_ptr<sql::Connection>> Databases::copy(DatabaseName name,
                                                         const sql::Location& location,
                                                         const std::string& folder) {
    TASKSTORE_LET(const sql::OpenRequest asked, request(name, location, {}));
    TASKSTORE_LET(sql::Part* const part, x_options.part(location.engine));
    if (!part->copies()) return std::unique_ptr<sql::Connection>();
    TASKSTORE_LET(sql::Part* const files, x_options.part(sql::Engine::sqlite));
    std::unique_ptr<sql::CopyFile> file;
    {
        // Its name is there until the file is open: one at a time, and what a crash leaves is the
        // next one's.
        const std::string path = os::join_path(folder, "taskstore-copy");
        TASKSTORE_LET(const auto named, os::Replacement::begin(x_files, path, 0600));
        TASKSTORE_LET(file, files->begin_copy(os::temporary_path_of(path)));
    }
    const Status copied = part->copy(asked, *file);
    auto copy =
        copied ? file->finish() : Result<std::unique_ptr<sql::Connection>>(fail(copied.error()));
    if (copy) return copy;
    // Who may read nothing at all is told so by the rows.
    const bool not_so = copy.error().code == Code::unsupported || copy.error().code == Code::denied;
    return not_so ? std::unique_ptr<sql::Connection>() : std::move(copy);
}

}  // namespace taskstore::store
