#include "task_state.hpp"

#include <gtest/gtest.h>
#include <taskstore/base/id.hpp>
#include <taskstore/tasks/task_archive.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <algorithm>
#include <array>
#include <vector>

namespace taskstore::tasks {
namespace {

constexpr std::array<std::string_view, 5> kDrawn{"last_write", "seq", "transaction_id", "epoch",
                                                 "change"};
constexpr std::size_t kIdBytes = 36;

std::map<std::string, sql::Rows> read(sql::Database& database, std::span<const sql::Table> tables) {
    std::vector<std::string> texts;
    for (const sql::Table& table : tables)
        texts.push_back("SELECT * FROM " + std::string(table.name) + " ORDER BY " +
                        std::string(table.key));
    std::vector<sql::BoundStatement> batch;
    for (const std::string& text : texts) batch.push_back({.sql = text});
    auto answers = database.read_batch(batch);
    EXPECT_TRUE(answers) << (answers ? "" : answers.error().message);
    std::map<std::string, sql::Rows> out;
    for (std::size_t i = 0; answers && i < tables.size(); ++i)
        out.emplace(tables[i].name, std::move((*answers)[i]));
    return out;
}

void write(sql::Database& database, const std::map<std::string, sql::Rows>& tables) {
    std::vector<std::string> texts;
    for (const auto& [name, rows] : tables) {
        texts.push_back("DELETE FROM " + name);
        std::string columns;
        std::string marks;
        for (std::size_t i = 0; i < rows.columns.size(); ++i) {
            columns += (i == 0 ? "" : ", ") + rows.columns[i];
            marks += (i == 0 ? "?" : ", ?") + std::to_string(i + 1);
        }
        texts.push_back("INSERT INTO " + name + " (" + columns + ") VALUES (" + marks + ")");
    }
    std::vector<sql::BoundStatement> batch;
    auto text = texts.begin();
    for (const auto& [name, rows] : tables) {
        batch.push_back({.sql = *text++});
        for (const auto& row : rows.rows) batch.push_back({.sql = *text, .values = row});
        ++text;
    }
    const auto done = database.write_batch(batch);
    EXPECT_TRUE(done) << (done ? "" : done.error().message);
}

void put(std::string& out, const sql::Value& value) {
    if (const auto* const number = std::get_if<std::int64_t>(&value))
        out += std::to_string(*number);
    else if (const auto* const text = std::get_if<std::string>(&value))
        out += "'" + *text + "'";
    else
        out += "-";
}

void put(std::string& out, const std::map<std::string, sql::Rows>& tables) {
    for (const auto& [name, rows] : tables) {
        for (const auto& row : rows.rows) {
            out += name;
            for (std::size_t i = 0; i < row.size(); ++i) {
                if (std::ranges::find(kDrawn, rows.columns[i]) != kDrawn.end()) continue;
                out += " " + rows.columns[i] + "=";
                put(out, row[i]);
            }
            out += "\n";
        }
    }
}

}  // namespace

State State::of(sql::Database& tasks, sql::Database& archive) {
    State state;
    state.x_tasks = read(tasks, tasks::tables());
    state.x_archive = read(archive, archive_tables());
    for (const Tables* tables : {&state.x_tasks, &state.x_archive})
        for (const auto& [name, rows] : *tables)
            for (const auto& row : rows.rows)
                for (const sql::Value& value : row)
                    if (const auto* const text = std::get_if<std::string>(&value);
                        text != nullptr && is_uuid(*text))
                        state.x_ids.insert(*text);
    return state;
}

void State::restore(sql::Database& tasks, sql::Database& archive) const {
    const State now = of(tasks, archive);
    const auto text_of = [](const Tables& tables) {
        std::string text;
        put(text, tables);
        return text;
    };
    if (text_of(now.x_tasks) != text_of(x_tasks)) write(tasks, x_tasks);
    if (text_of(now.x_archive) != text_of(x_archive)) write(archive, x_archive);
}

std::string State::text() const {
    std::string out;
    put(out, x_tasks);
    put(out, x_archive);
    return out;
}

std::string State::without_new_ids(const std::string& text) const {
    std::vector<std::string> lines(1);
    for (std::size_t i = 0; i < text.size();) {
        const std::string_view word = std::string_view(text).substr(i, kIdBytes);
        if (is_uuid(word) && !x_ids.contains(word)) {
            lines.back() += "new";
            i += kIdBytes;
            continue;
        }
        if (text[i] == '\n')
            lines.emplace_back();
        else
            lines.back() += text[i];
        ++i;
    }
    std::ranges::sort(lines);
    std::string out;
    for (const std::string& line : lines) out += line + "\n";
    return out;
}

}  // namespace taskstore::tasks
