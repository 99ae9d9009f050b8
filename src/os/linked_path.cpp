#include <taskstore/os/linked_path.hpp>

#include <filesystem>

namespace taskstore::os {

Result<std::string> linked_path(FileSystem& files, const std::string& path) {
    const auto link = files.link_info(path);
    if (!link && link.error().code == Code::not_found) return path;
    if (!link) return fail(link.error());
    if (link->kind != FileKind::other) return path;
    const auto info = files.info(path);
    if (!info && info.error().code == Code::not_found)
        return fail(Code::invalid, "'" + path + "' is a symbolic link that leads nowhere")
            .with_hint("make the file that it names, or remove the link");
    if (!info) return fail(info.error());
    std::error_code error;
    const auto real = std::filesystem::canonical(path, error);
    return error ? path : real.string();
}

}  // namespace taskstore::os
