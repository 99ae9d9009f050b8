#include "hook_record.hpp"

#include <algorithm>
#include <charconv>

namespace taskstore::store {
namespace {

constexpr std::string_view kRecordHead = "taskstore hooks 1\n";

class RecordReader {
  public:
    explicit RecordReader(std::string_view text) : x_text(text) {}

    std::optional<HookRecord> read() {
        HookRecord out;
        if (!x_text.starts_with(kRecordHead)) return {};
        x_text.remove_prefix(kRecordHead.size());
        while (!x_text.empty()) {
            const std::string_view word = x_text.substr(0, x_text.find(' '));
            if (word != "store" && word != "folder" && word != "file") return {};
            x_text.remove_prefix(std::min(word.size() + 1, x_text.size()));
            const std::size_t end = x_text.find('\n');
            if (end == std::string_view::npos) return {};
            std::string_view head = x_text.substr(0, end);
            x_text.remove_prefix(end + 1);
            if (word != "file") {
                (word == "store" ? out.stores : out.folders).push_back(take(number(head)));
            } else {
                Changed file;
                const std::int64_t path = number(head);
                const std::int64_t before = number(head);
                const std::int64_t after = number(head);
                file.path = take(path);
                if (before >= 0) file.before = take(before);
                file.after = take(after);
                out.files.push_back(std::move(file));
            }
            if (x_bad || !x_text.starts_with('\n')) return {};
            x_text.remove_prefix(1);
        }
        return out;
    }

  private:
    std::int64_t number(std::string_view& head) {
        std::int64_t out = 0;
        const auto [end, error] = std::from_chars(head.data(), head.data() + head.size(), out);
        if (error != std::errc()) x_bad = true;
        head.remove_prefix(static_cast<std::size_t>(end - head.data()));
        if (head.starts_with(' ')) head.remove_prefix(1);
        return out;
    }
    std::string take(std::int64_t bytes) {
        if (bytes < 0 || static_cast<std::size_t>(bytes) > x_text.size()) {
            x_bad = true;
            return {};
        }
        std::string out(x_text.substr(0, static_cast<std::size_t>(bytes)));
        x_text.remove_prefix(static_cast<std::size_t>(bytes));
        return out;
    }
    std::string_view x_text;
    bool x_bad = false;
};

}  // namespace

Changed* HookRecord::find(std::string_view path) {
    const auto found = std::ranges::find(files, path, &Changed::path);
    return found == files.end() ? nullptr : &*found;
}

std::string HookRecord::text() const {
    std::string out(kRecordHead);
    for (const std::string& store : stores)
        out += "store " + std::to_string(store.size()) + "\n" + store + "\n";
    for (const std::string& folder : folders)
        out += "folder " + std::to_string(folder.size()) + "\n" + folder + "\n";
    for (const Changed& file : files) {
        out += "file " + std::to_string(file.path.size()) + " " +
               (file.before ? std::to_string(file.before->size()) : "-1") + " " +
               std::to_string(file.after.size()) + "\n" + file.path + file.before.value_or("") +
               file.after + "\n";
    }
    return out;
}

std::optional<HookRecord> HookRecord::read(std::string_view text) {
    return RecordReader(text).read();
}

}  // namespace taskstore::store
