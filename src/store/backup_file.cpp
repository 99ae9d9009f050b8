#include "backup_file.hpp"

#include <taskstore/base/json.hpp>

#include <zstd.h>

#include <algorithm>
#include <array>

namespace taskstore::store {
namespace {

constexpr int kLevel = 6;
/// About the year 2210: the epochs after a restore must fit, too.
constexpr std::int64_t kBackupEpochMax = sql::kEpochMax - 1'000'000'000;

}  // namespace

void BackupWriter::Free::operator()(ZSTD_CCtx_s* packer) const {
    ZSTD_freeCCtx(packer);
}

BackupWriter::BackupWriter(os::Replacement file)
    : x_file(std::move(file)), x_packer(ZSTD_createCCtx()), x_out(ZSTD_CStreamOutSize()) {}

Result<BackupWriter> BackupWriter::begin(os::FileSystem& files, const std::string& path) {
    TASKSTORE_LET(auto file, os::Replacement::begin(files, path, 0600));
    BackupWriter writer(std::move(file));
    if (writer.x_packer == nullptr ||
        ZSTD_isError(ZSTD_CCtx_setParameter(writer.x_packer.get(), ZSTD_c_checksumFlag, 1)) != 0 ||
        ZSTD_isError(
            ZSTD_CCtx_setParameter(writer.x_packer.get(), ZSTD_c_compressionLevel, kLevel)) != 0)
        return fail(Code::failed, "zstd cannot begin");
    return writer;
}

Status BackupWriter::line(std::string_view text) {
    x_hash.update(text);
    x_hash.update("\n");
    TASKSTORE_TRY(pack(text, false));
    return pack("\n", false);
}

Status BackupWriter::finish(std::int64_t rows, BackupReport& report) {
    report.sha256 = x_hash.finish_hex();
    std::string end;
    JsonWriter(end)
        .begin_object()
        .key("end")
        .boolean(true)
        .key("rows")
        .integer(rows)
        .key("sha256")
        .string(report.sha256)
        .end_object();
    TASKSTORE_TRY(pack(end + "\n", true));
    report.rows = rows;
    report.bytes = x_bytes;
    return x_file.commit();
}

Status BackupWriter::pack(std::string_view text, bool last) {
    ZSTD_inBuffer in{text.data(), text.size(), 0};
    while (true) {
        ZSTD_outBuffer out{x_out.data(), x_out.size(), 0};
        const std::size_t left =
            ZSTD_compressStream2(x_packer.get(), &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left) != 0)
            return fail(Code::failed, std::string("zstd: ") + ZSTD_getErrorName(left));
        TASKSTORE_TRY(x_file.write({x_out.data(), out.pos}));
        x_bytes += static_cast<std::int64_t>(out.pos);
        if (last ? left == 0 : in.pos == in.size) return ok();
    }
}

Result<std::unique_ptr<BackupReader>> BackupReader::open(os::FileSystem& files,
                                                         const std::string& path) {
    TASKSTORE_LET(auto file, files.open(path, os::OpenMode::read));
    TASKSTORE_LET(auto unpacked, exchange::unpacked(exchange::file_source(std::move(file))));
    auto reader = std::unique_ptr<BackupReader>(new BackupReader(path, std::move(unpacked)));
    TASKSTORE_TRY(reader->read_header());
    return reader;
}

Result<bool> BackupReader::next(std::string_view& line) {
    TASKSTORE_TRY(take_line(line));
    if (!line.starts_with(R"({"end":)")) {
        x_hash.update(line);
        x_hash.update("\n");
        if (line.starts_with('[')) ++x_rows;
        return true;
    }
    const auto end = Json::parse(line);
    if (!end || end->get("rows").as_int64() != x_rows ||
        end->get("sha256").as_string() != x_hash.finish_hex())
        return damaged("its checksum is another one than its rows have");
    x_sha256 = *end->get("sha256").as_string();
    TASKSTORE_TRY(check_ended());
    return false;
}

Failure BackupReader::damaged(const std::string& why) const {
    return fail(Code::corrupt, x_path + ": the backup is damaged: " + why)
        .with_hint("restore another one; nothing was changed");
}

/// Nothing follows the end line, and the packing ends as it should.
Status BackupReader::check_ended() {
    char byte = 0;
    const auto got = x_unpacked.bytes->read(&byte, 1);
    if (!got) return damaged(got.error().message);
    if (x_at < x_text.size() || *got != 0) return damaged("something stands behind its end");
    return ok();
}

Status BackupReader::take_line(std::string_view& line) {
    while (true) {
        if (const std::size_t end = x_text.find('\n', x_at); end != std::string::npos) {
            line = std::string_view(x_text).substr(x_at, end - x_at);
            x_at = end + 1;
            return ok();
        }
        x_text.erase(0, x_at);
        x_at = 0;
        std::array<char, 65'536> buffer{};
        const auto got = x_unpacked.bytes->read(buffer.data(), buffer.size());
        if (!got) return damaged(got.error().message);
        if (*got == 0) return damaged("it ends too soon");
        x_text.append(buffer.data(), *got);
    }
}

Status BackupReader::read_header() {
    std::string_view line;
    const auto taken = take_line(line);
    const auto json = taken ? Json::parse(line) : Json::parse("");
    const auto format = json ? json->get("taskstore_backup").as_int64() : std::nullopt;
    if (!format)
        return fail(Code::invalid, x_path + " is no backup of taskstore")
            .with_hint("'taskstore backup' makes them: FILE.taskstore.zst");
    if (*format > kBackupFormat)
        return fail(Code::unsupported, x_path + " has the format " + std::to_string(*format) +
                                           ", this version reads up to " +
                                           std::to_string(kBackupFormat))
            .with_hint("upgrade this program");
    x_header.database = json->get("database").as_string().value_or("");
    x_header.identity.id = json->get("id").as_string().value_or("");
    x_header.identity.epoch = json->get("epoch").as_int64().value_or(0);
    const Json modules = json->get("modules");
    for (const std::string& module : modules.names())
        x_header.versions.emplace_back(module, modules.get(module).as_int64().value_or(0));
    if (x_header.identity.id.empty()) return damaged("its header lacks an id");
    if (x_header.identity.epoch < 1 || x_header.identity.epoch > kBackupEpochMax)
        return damaged("its header has an epoch that cannot be");
    x_hash.update(line);
    x_hash.update("\n");
    return ok();
}

Result<WholeBackup> check_whole(os::FileSystem& files, const std::string& path) {
    constexpr std::size_t kTablesMax = 1'000;
    TASKSTORE_LET(const auto reader, BackupReader::open(files, path));
    WholeBackup whole;
    std::string_view line;
    while (true) {
        TASKSTORE_LET(const bool more, reader->next(line));
        if (!more) break;
        if (!line.starts_with('[')) {
            if (whole.tables.size() == kTablesMax)
                return reader->damaged("it names too many tables");
            whole.tables.emplace_back(line);
            continue;
        }
        if (whole.tables.empty()) return reader->damaged("a row of no table");
        TASKSTORE_LET(const Row row, parse_row(line));
        whole.largest_bytes = std::max(whole.largest_bytes, bytes_of(row));
        ++whole.rows;
    }
    whole.sha256 = reader->sha256();
    return whole;
}

}  // namespace taskstore::store
