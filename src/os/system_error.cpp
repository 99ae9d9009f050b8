#include "system_error.hpp"

#include <cerrno>
#include <system_error>

namespace taskstore::os {
namespace {

Code code_of(int error) {
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            return Code::not_found;
        case EEXIST:
            return Code::exists;
        case EACCES:
        case EPERM:
        case EROFS:
            return Code::denied;
        default:
            return Code::failed;
    }
}

std::string_view hint_of(int error) {
    switch (error) {
        case EACCES:
        case EPERM:
            return "check who owns it and its folders, and their permissions";
        case EROFS:
            return "the file system is mounted read-only: remount it writable or use another "
                   "folder";
        case ENOSPC:
            return "the disk is full: free some space and repeat the command";
        case EDQUOT:
            return "the disk quota is used up: free some space and repeat the command";
        case EIO:
            return "the disk reported an error: look at the system log (dmesg) and check the disk";
        case EMFILE:
            return "too many files are open: raise the limit (ulimit -n)";
        case ENFILE:
            return "the system has too many open files: close other programs";
        case EISDIR:
            return "a folder is where a file is expected: move it away";
        case ENOTDIR:
            return "a file is where a folder is expected: move it away";
        case ENAMETOOLONG:
            return "use a shorter name or a folder nearer to the root";
        case EXDEV:
            return "both paths have to be on one file system";
        case ENOLCK:
        case EOPNOTSUPP:
            return "this file system may not support it: use a folder on a local disk";
        default:
            return {};
    }
}

}  // namespace

Failure system_failure(std::string_view verb, std::string_view path, int error) {
    std::string message = "cannot ";
    message.append(verb).append(" '").append(path).append("': ");
    message += std::generic_category().message(error);
    return fail(code_of(error), std::move(message))
        .with_hint(std::string(hint_of(error)))
        .with_native(error);
}

}  // namespace taskstore::os
