#include <taskstore/base/json.hpp>
#include <taskstore/exchange/checklist.hpp>
#include <taskstore/exchange/outgoing.hpp>
#include <taskstore/store/export.hpp>

#include <algorithm>

namespace taskstore::store {
namespace {

/// Small enough to be in a processor's own cache when it is handed on.
constexpr std::size_t kPieceBytes = 64U << 10U;

class Exporter {
  public:
    Exporter(records::Plan& plan, const ExportRequest& request)
        : x_plan(plan), x_request(request) {}

    Result<ExportReport> run() {
        if (x_request.stamps && x_request.format != ExportFormat::jsonl)
            return fail(Code::invalid, "only JSONL carries stamps");
        TASKSTORE_TRY(choose());
        TASKSTORE_TRY(find_declarations());
        Status status = x_request.format == ExportFormat::markdown ? checklist() : lines();
        TASKSTORE_TRY(status);
        TASKSTORE_TRY(pass_on());
        return std::move(x_report);
    }

  private:
    Status choose() {
        TASKSTORE_LET(const auto all, x_plan.collections());
        for (const auto& [name, count] : all) {
            if (x_request.collections.empty() && count > 0) x_collections.push_back(name);
        }
        for (const std::string& name : x_request.collections) {
            const bool known = std::ranges::any_of(
                all, [&](const auto& collection) { return collection.first == name; });
            if (!known) {
                return fail(Code::not_found, "there is no collection '" + name + "'")
                    .with_hint("'taskstore stats' lists them");
            }
            if (std::ranges::find(x_collections, name) == x_collections.end())
                x_collections.push_back(name);
        }
        for (const auto& [name, count] : all) {
            if (std::ranges::find(x_collections, name) != x_collections.end()) x_total += count;
        }
        return ok();
    }

    /// Of the collections that go out, empty ones too.
    Status find_declarations() {
        TASKSTORE_LET(x_catalogue, x_plan.catalogue());
        const auto goes_out = [&](std::string_view name) {
            return x_request.collections.empty() ||
                   std::ranges::find(x_request.collections, name) != x_request.collections.end();
        };
        for (const records::Kind& kind : x_catalogue->kinds()) {
            if (!kind.declared || !goes_out(kind.collection)) continue;
            const std::string name(kind.collection);
            if (x_request.format == ExportFormat::jsonl) {
                x_declarations.push_back(name);
            } else if (x_request.format == ExportFormat::csv) {
                x_report.notes.push_back("CSV does not carry declarations: '" + name +
                                         "' comes in untyped where it is not declared; JSONL "
                                         "carries it, or take schemas/" +
                                         name + ".json along");
            }
        }
        for (const records::SchemaProblem& problem : x_catalogue->problems()) {
            if (!problem.file.ends_with(".json") ||
                !goes_out(problem.file.substr(0, problem.file.size() - 5)))
                continue;
            x_report.notes.push_back("the declaration in schemas/" + problem.file +
                                     " cannot be read and is left out: 'taskstore doctor' says "
                                     "what is wrong with it");
        }
        return ok();
    }

    /// The output is empty: at the first start it is, later it is to be made so.
    Status begin() {
        x_done = 0;
        x_text.clear();
        x_report.collections.clear();
        for (const std::string& name : x_collections) x_report.collections[name] = 0;
        if (x_report.bytes > 0) {
            if (!x_request.rewind) {
                return fail(Code::unavailable,
                            "store.db turned out to be damaged after a part was written; it was "
                            "built again")
                    .with_hint("run the export again");
            }
            TASKSTORE_TRY(x_request.rewind());
        }
        x_report.bytes = 0;
        for (const std::string& name : x_declarations)
            exchange::append_declaration(x_text, name, x_catalogue->schema_of(name)->file_text());
        return ok();
    }

    Status pass_on() {
        TASKSTORE_TRY(x_request.write(x_text));
        x_report.bytes += static_cast<std::int64_t>(x_text.size());
        x_text.clear();
        return ok();
    }

    Status one_done(std::string_view collection) {
        if (x_last == nullptr || x_last->first != collection)
            x_last = &*x_report.collections.try_emplace(std::string(collection)).first;
        ++x_last->second;
        if (++x_done % 1024 == 0 && x_request.progress)
            x_request.progress("exporting", x_done, x_total);
        return x_text.size() < kPieceBytes ? ok() : pass_on();
    }

    Status lines() {
        const bool csv = x_request.format == ExportFormat::csv;
        exchange::CsvWriter writer;
        JsonSlicer slicer;
        bool headed = false;
        return x_plan.each(
            {.collections = x_collections,
             .passes = csv ? 2 : 1,
             .stamps = x_request.stamps,
             .begin =
                 [&] {
                     writer = exchange::CsvWriter();
                     headed = false;
                     x_last = nullptr;
                     return begin();
                 },
             .visit = [&](int pass, const records::Visited& record) -> Status {
                 if (csv && pass == 0) return writer.see(record.data);
                 if (csv && !headed) {
                     headed = true;
                     x_text += writer.header();
                 }
                 if (csv) {
                     TASKSTORE_TRY(writer.append(x_text, record.collection, record.data));
                 } else {
                     TASKSTORE_TRY(exchange::append_jsonl(x_text, slicer, record.collection,
                                                          record.data, record.stamps));
                 }
                 return one_done(record.collection);
             }});
    }

    Status checklist() {
        for (const std::string& name : x_collections) {
            if (name == "prds" || name == "task_specs") continue;
            if (!x_request.collections.empty()) {
                return fail(Code::invalid,
                            "Markdown carries PRDs and task specs, not '" + name + "'")
                    .with_hint("use --format jsonl");
            }
            x_report.notes.push_back("Markdown carries PRDs and task specs: '" + name +
                                     "' is left out");
        }
        std::erase_if(x_collections, [](const std::string& name) {
            return name != "prds" && name != "task_specs";
        });
        Status theirs = ok();
        const auto read = [&](sql::Connection& db) -> Status {
            theirs = begin();
            if (!theirs) return fail(Code::cancelled, "the caller ended it");
            TASKSTORE_TRY(db.begin_read());
            TASKSTORE_TRY(write_plans(db, theirs));
            return write_orphans(db, theirs);
        };
        const Status status = x_plan.query(read);
        return theirs ? status : theirs;
    }

    /// In the order of lists, along the indexes on created_at and prd_id.
    Status write_plans(sql::Connection& db, Status& theirs) {
        TASKSTORE_LET(auto plans,
                      db.prepare("SELECT id,data FROM prds ORDER BY created_at DESC,id DESC"));
        TASKSTORE_LET(auto specs, db.prepare("SELECT id,data FROM task_specs WHERE prd_id=?1 ORDER "
                                             "BY created_at,id"));
        while (true) {
            TASKSTORE_LET(const bool plan, plans->step());
            if (!plan) return ok();
            const std::string id(plans->column_text(0));
            theirs = put_section(id, plans->column_text(1));
            specs->reset();
            TASKSTORE_TRY(specs->bind(1, std::string_view(id)));
            while (theirs) {
                TASKSTORE_LET(const bool spec, specs->step());
                if (!spec) break;
                theirs = put_item(specs->column_text(0), specs->column_text(1));
            }
            if (!theirs) return fail(Code::cancelled, "the caller ended it");
        }
    }

    /// What has lost its PRD, under a heading that names it.
    Status write_orphans(sql::Connection& db, Status& theirs) {
        TASKSTORE_LET(auto rows,
                      db.prepare("SELECT s.prd_id,s.id,s.data FROM task_specs s WHERE NOT EXISTS "
                                 "(SELECT 1 FROM prds p WHERE p.id=s.prd_id) ORDER BY s.prd_id,"
                                 "s.created_at,s.id"));
        std::string section;
        bool begun = false;
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return ok();
            const std::string prd(rows->column_text(0));
            if (!begun || prd != section) {
                theirs = put_section(prd, {});
                section = prd;
                begun = true;
            }
            if (theirs) theirs = put_item(rows->column_text(1), rows->column_text(2));
            if (!theirs) return fail(Code::cancelled, "the caller ended it");
        }
    }

    Status put_section(const std::string& id, std::string_view data) {
        exchange::ChecklistSection section;
        section.id = id;
        section.title = id;
        if (!data.empty()) {
            TASKSTORE_LET(const Json json, Json::parse(data));
            section.title = json.get("title").as_string().value_or(id);
            section.content = json.get("content").as_string().value_or("");
        }
        // A blank line goes between sections, also where one was passed on already.
        if (x_text.empty() && x_report.bytes > 0) x_text += '\n';
        exchange::append_section(x_text, section);
        return data.empty() ? ok() : one_done("prds");
    }

    Status put_item(std::string_view id, std::string_view data) {
        TASKSTORE_LET(const Json json, Json::parse(data));
        exchange::ChecklistItem item;
        item.id = id;
        item.text = json.get("phase_name").as_string().value_or("");
        item.content = json.get("content").as_string().value_or("");
        item.checked = json.get("status").as_string() == "complete";
        exchange::append_item(x_text, item);
        return one_done("task_specs");
    }

    records::Plan& x_plan;
    const ExportRequest& x_request;
    ExportReport x_report;
    std::vector<std::string> x_collections;
    std::shared_ptr<const records::Catalogue> x_catalogue;
    std::vector<std::string> x_declarations;  ///< What JSONL declares.
    std::int64_t x_total = 0;
    std::int64_t x_done = 0;
    std::string x_text;
    std::pair<const std::string, std::int64_t>* x_last = nullptr;  ///< Of x_report.collections.
};

}  // namespace

Result<ExportReport> export_records(records::Plan& plan, const ExportRequest& request) {
    return Exporter(plan, request).run();
}

}  // namespace taskstore::store
