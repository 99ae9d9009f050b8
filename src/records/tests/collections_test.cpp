// Collections that files declare: checked, indexed, usable wherever the files are.
#include "plan_process.hpp"

#include <taskstore/records/collection.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::Process;

constexpr const char* kBug = R"({
  "type": "object",
  "properties": {
    "title": {"type": "string", "minLength": 3},
    "severity": {"type": "integer", "minimum": -5, "maximum": 5, "default": 3},
    "area": {"enum": ["Parser", "store"]},
    "open": {"type": "boolean"},
    "tags": {"type": "array"}
  },
  "required": ["title"]
}
)";
constexpr const char* kStates =
    R"({"initial": "open", "transitions": {"open": ["doing"], "doing": ["open", "done"]}})";

CollectionRequest bugs() {
    return {.name = "bugs",
            .schema = kBug,
            .indexes = std::vector<std::string>{"severity"},
            .status_table = kStates};
}

/// What takes any record, without indexes or states.
CollectionRequest anything() {
    return {
        .name = "bugs", .schema = "{}", .indexes = std::vector<std::string>(), .status_table = ""};
}

std::string message_of(const Error& error) {
    return error.message + " | " + error.hint;
}

Result<Record> add(Process& p, const std::string& id, std::vector<ledger::Change> changes) {
    return p->create("bugs", std::move(changes), id);
}

std::vector<std::string> found(Process& p, const std::string& filter) {
    const auto catalogue = p->catalogue();
    const auto parsed = parse_filter(filter, (*catalogue)->find_collection("bugs"));
    if (!parsed) return {parsed.error().message};
    const auto page = p->list({.collection = "bugs", .filter = *parsed});
    if (!page) return {page.error().message};
    std::vector<std::string> ids;
    for (const Record& record : page->records) ids.push_back(record.id);
    std::ranges::sort(ids);
    return ids;
}

std::vector<std::string> whys(Process& p, const std::string& what) {
    std::vector<std::string> out;
    const auto findings = p->findings();
    for (const Finding& finding : *findings) {
        if (finding.what == what) out.push_back(finding.where + ": " + finding.why);
    }
    return out;
}

using Ids = std::vector<std::string>;

TEST(CollectionSchemas, ASchemaGivesFieldsAndDefaults) {
    const auto text = CollectionSchema::compose(bugs());
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_TRUE(text->starts_with("{\n  \"type\": \"object\"")) << *text;
    const auto schema = CollectionSchema::parse("bugs", *text);
    ASSERT_TRUE(schema) << schema.error().message;
    const Kind& kind = (*schema)->kind();
    ASSERT_EQ(kind.fields.size(), 5U);  // tags are no scalar; status comes from its table
    EXPECT_EQ(kind.field("severity")->type, FieldType::integer);
    EXPECT_TRUE(kind.field("severity")->indexed);
    EXPECT_EQ(kind.field("area")->choices[0], "Parser");
    EXPECT_EQ(kind.field("open")->type, FieldType::boolean);
    EXPECT_TRUE(kind.field("title")->required);
    EXPECT_EQ(kind.transitions.size(), 3U);
    EXPECT_EQ((*schema)->defaults().size(), 2U);
    // A schema with parts of its own keeps them, and composing it again changes nothing.
    EXPECT_EQ(*CollectionSchema::compose({.name = "bugs"}, *text), *text);
    EXPECT_EQ(*CollectionSchema::compose({.name = "bugs", .schema = *text}), *text);
    EXPECT_EQ(
        *CollectionSchema::compose(
            {.name = "bugs", .indexes = std::vector<std::string>(), .status_table = ""}, *text),
        kBug);
}

TEST(CollectionSchemas, TrueTakesAnythingAndFalseNothing) {
    const auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->declare({.name = "bugs", .schema = "true"}, Declare::add));
    EXPECT_TRUE(add(p, "a", {{"n", "1"}}));
    ASSERT_TRUE(p->declare({.name = "bugs", .schema = "false"}, Declare::change));
    EXPECT_EQ(add(p, "b", {{"n", "1"}}).error().code, Code::invalid);
}

TEST(CollectionSchemas, AnIndexThatTheNewSchemaLacksIsSaidWithWhatToDo) {
    const auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->declare(bugs(), Declare::add));
    const std::string other = R"({"properties": {"size": {"type": "integer"}}})";
    const auto lost = p->declare({.name = "bugs", .schema = other}, Declare::change);
    ASSERT_FALSE(lost);
    EXPECT_NE(lost.error().message.find("'severity'"), std::string::npos);
    EXPECT_NE(lost.error().hint.find("--no-index"), std::string::npos) << lost.error().hint;
    EXPECT_NE(lost.error().hint.find("--index"), std::string::npos);
    EXPECT_TRUE(
        p->declare({.name = "bugs", .schema = other, .indexes = {{"size"}}}, Declare::change));
    const auto states = p->declare({.name = "bugs",
                                    .schema = R"({"properties": {"status": {"enum": ["x"]}}})",
                                    .indexes = {{}}},
                                   Declare::change);
    ASSERT_FALSE(states);
    EXPECT_NE(states.error().hint.find("--no-status-table"), std::string::npos);
}

TEST(CollectionSchemas, WhatCannotBeIsSaidWithItsPlace) {
    const auto why = [](const std::string& schema, CollectionRequest request = {}) -> std::string {
        request.name = "x";
        request.schema = schema;
        const auto text = CollectionSchema::compose(request);
        if (!text) return message_of(text.error());
        const auto parsed = CollectionSchema::parse("x", *text);
        return parsed ? "" : message_of(parsed.error());
    };
    const auto has = [](const std::string& text, std::string_view part) {
        EXPECT_NE(text.find(part), std::string::npos) << text;
    };
    has(why("nonsense"), "no JSON");
    has(why("7"), "neither a JSON object nor true or false");
    has(why(R"({"a":1,"a":2})"), "'a' stands twice");
    EXPECT_EQ(why(" true\n"), "");
    EXPECT_EQ(why("false"), "");
    has(why(R"({"type": "strin"})"), "/type");
    has(why(R"({"properties": {"updated_at": {"type": "string"}}})"), "whole ms since 1970");
    has(why(R"({"properties": {"id": {"type": "integer"}}})"), "ids are text");
    has(why(R"({"required": ["_stamps"]})"), "/required/0");
    has(why(kBug, {.indexes = std::vector<std::string>{"sevrity"}}), "did you mean 'severity'");
    has(why(kBug, {.indexes = std::vector<std::string>{"tags"}}), "the schema says array");
    has(why("{}", {.indexes = std::vector<std::string>{"a"}}), "under \"properties\"");
    has(why("{}", {.status_table = "[]"}), "not an object");
    has(why("{}", {.status_table = R"({"initial": 1})"}), "/initial");
    has(why("{}", {.status_table = R"({"initial": "a", "transitions": {"a": ["a"]}})"}), "itself");
    has(why("{}", {.status_table = R"({"initial": "a", "transitions": {}, "x": 1})"}), "/x");
    has(why(R"({"properties": {"status": {"enum": ["a"]}}})",
            {.status_table = R"({"initial": "a", "transitions": {"a": ["b"]}})"}),
        "the state 'b'");
    has(why(R"({"additionalProperties": false})",
            {.status_table = R"({"initial": "a", "transitions": {}})"}),
        "the state 'a'");
    EXPECT_EQ(why("{}"), "");
    EXPECT_EQ(why(R"({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"})"),
              "");
    EXPECT_EQ(check_declarable("prds").error().code, Code::conflict);
    EXPECT_EQ(check_declarable("TS").error().code, Code::conflict);
    EXPECT_EQ(check_declarable("Records").error().code, Code::conflict);
    EXPECT_EQ(check_declarable("taskstore_meta").error().code, Code::conflict);
    EXPECT_EQ(check_declarable("a b").error().code, Code::invalid);
    EXPECT_TRUE(check_declarable("prds_status"));
}

TEST(CollectionSchemas, TheStoresOwnMembersAreShownOnlyWhereTheSchemaSpeaksOfThem) {
    const auto fits = [](const std::string& schema, const std::string& data) {
        const auto parsed = CollectionSchema::parse("x", schema);
        EXPECT_TRUE(parsed) << parsed.error().message;
        return (*parsed)->violations(data)->empty();
    };
    const std::string record = R"({"id":"x-1","a":1,"_import":{},"updated_at":5})";
    EXPECT_TRUE(fits(R"({"properties":{"a":{}},"additionalProperties":false})", record));
    EXPECT_TRUE(fits(R"({"required":["id","updated_at","a"]})", record));
    EXPECT_TRUE(fits(R"({"properties":{"id":{"pattern":"^x-"}}})", record));
    EXPECT_FALSE(fits(R"({"properties":{"id":{"pattern":"^y-"}}})", record));
}

TEST(DeclaredCollections, ChecksEveryReasonAtOnceUnlessForced) {
    auto disk = new_disk();
    Process p(*disk);
    const auto declared = p->declare(bugs(), Declare::add);
    ASSERT_TRUE(declared) << declared.error().message;
    EXPECT_TRUE(declared->changed);
    EXPECT_EQ(p->declare(bugs(), Declare::add).error().code, Code::exists);
    EXPECT_FALSE(p->declare(bugs(), Declare::change)->changed);

    const auto made = add(p, "b1", {{"title", "\"Crash\""}, {"area", "\"parser\""}});
    ASSERT_TRUE(made) << made.error().message;
    const auto json = Json::parse(made->data);
    EXPECT_EQ(json->get("severity").as_int64(), 3);
    EXPECT_EQ(json->get("status").as_string(), "open");
    EXPECT_EQ(json->get("area").as_string(), "Parser");

    const auto refused = add(p, "b2", {{"title", "1"}, {"severity", "9"}, {"status", "\"odd\""}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::invalid);
    for (const char* part : {"/title", "(schema: /properties/title/type)", "/severity", "/status"})
        EXPECT_NE(refused.error().message.find(part), std::string::npos) << refused.error().message;
    EXPECT_EQ(p->get("bugs", "b2").error().code, Code::not_found);

    EXPECT_EQ(p->update("bugs", "b1", {{"status", "\"done\""}}).error().code, Code::conflict);
    EXPECT_EQ(p->update("bugs", "b1", {{"severity", "9"}}).error().code, Code::invalid);
    EXPECT_EQ(p->update("bugs", "b1", {{"title", ""}}).error().code, Code::invalid);
    ASSERT_TRUE(p->update("bugs", "b1", {{"status", "\"doing\""}}));
    const auto same = p->write({{.kind = WriteKind::update,
                                 .collection = "bugs",
                                 .id = "b1",
                                 .changes = {{"status", "\"doing\""}}}});
    EXPECT_EQ(same->effects[0], Effect::unchanged);
    ASSERT_TRUE(p->write({{.kind = WriteKind::update,
                           .collection = "bugs",
                           .id = "b1",
                           .changes = {{"severity", "9"}},
                           .force = true}}));
    EXPECT_TRUE(p->history("bugs", "b1")->back().forced);
    EXPECT_EQ(whys(p, "misfit").size(), 1U);
    // Taking it back is no new decision, so it needs no force.
    ASSERT_TRUE(p->undo("bugs", "b1"));
    EXPECT_TRUE(whys(p, "misfit").empty());
}

TEST(DeclaredCollections, FiltersOnIndexedFieldsUseTheirIndexes) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->declare(bugs(), Declare::add));
    ASSERT_TRUE(add(p, "a", {{"title", "\"one\""}, {"severity", "-2"}, {"open", "true"}}));
    ASSERT_TRUE(add(p, "b", {{"title", "\"two\""}, {"severity", "4"}, {"tags", "[1]"}}));
    EXPECT_EQ(found(p, "severity>-3"), (Ids{"a", "b"}));
    EXPECT_EQ(found(p, "severity=-2"), Ids{"a"});
    EXPECT_EQ(found(p, "open=true"), Ids{"a"});
    EXPECT_EQ(found(p, "status=OPEN and title~w"), Ids{"b"});
    EXPECT_EQ(found(p, "undeclared=null"), (Ids{"a", "b"}));
    EXPECT_NE(found(p, "severity=high")[0].find("whole number"), std::string::npos);
    std::string plan;
    ASSERT_TRUE(p->query([&](sql::Connection& db) -> Status {
        TASKSTORE_LET(auto rows, db.prepare("EXPLAIN QUERY PLAN SELECT id FROM bugs WHERE "
                                            "severity=4 ORDER BY updated_at DESC, id DESC"));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return ok();
            plan += rows->column_text(3);
        }
    }));
    EXPECT_NE(plan.find("bugs.severity"), std::string::npos) << plan;
    EXPECT_EQ(plan.find("TEMP B-TREE"), std::string::npos) << plan;
}

TEST(DeclaredCollections, NamesOfColumnsAndTablesNeverClash) {
    auto disk = new_disk();
    Process p(*disk);
    const std::string schema =
        R"({"properties":{"data":{"type":"string"},"Data":{"type":"string"},"rid":{"type":"integer"},
            "select":{"type":"string"},"a'b.c":{"type":"string"}}})";
    // As the indexes of another collection would be called, if they had no dot.
    for (const char* name : {"prds_status", "x-1", "select"}) {
        const auto declared =
            p->declare({.name = name,
                        .schema = schema,
                        .indexes = std::vector<std::string>{"data", "Data", "rid", "select"}},
                       Declare::add);
        ASSERT_TRUE(declared) << declared.error().message;
        ASSERT_TRUE(declared->notes.empty()) << declared->notes[0];
        ASSERT_TRUE(p->create(name, {{"data", "\"d\""}, {"Data", "\"D\""}, {"rid", "7"}}, "r"));
        EXPECT_EQ(*p->count({.collection = name, .filter = *parse_filter("Data=D and rid=7")}), 1);
        EXPECT_EQ(*p->count({.collection = name, .filter = *parse_filter("data=D")}), 0);
    }
    EXPECT_EQ(p->declare({.name = "X-1", .schema = "{}"}, Declare::add).error().code,
              Code::conflict);
    EXPECT_TRUE(p->state_hash());
    EXPECT_EQ(p->find("r")->size(), 3U);
    EXPECT_TRUE(p->findings());
}

TEST(DeclaredCollections, ACloneUsesTheSchemaAtOnce) {
    auto disk = new_disk();
    {
        Process p(*disk);
        ASSERT_TRUE(p->declare(bugs(), Declare::add));
        ASSERT_TRUE(add(p, "b1", {{"title", "\"Crash\""}}));
    }
    auto clone = new_disk();
    for (const char* path : {"/p/schemas/bugs.json", "/p/bugs.jsonl"})
        clone->put_file(path, *disk->get_file(path));
    Process p(*clone, 2);
    EXPECT_EQ(found(p, "severity=3"), Ids{"b1"});
    EXPECT_EQ(add(p, "b2", {{"title", "1"}}).error().code, Code::invalid);
}

TEST(DeclaredCollections, AChangedSchemaListsWhatNoLongerFits) {
    auto disk = new_disk();
    Process p(*disk);
    Process other(*disk, 2, &p);
    ASSERT_TRUE(p->declare(bugs(), Declare::add));
    for (int i = 0; i < 30; ++i)
        ASSERT_TRUE(add(p, "b" + std::to_string(i), {{"title", "\"Crash\""}}));
    EXPECT_EQ(p->misfits("bugs", 3)->count, 0);
    // As git would bring it: nobody tells the processes.
    const std::string strict = R"({"properties":{"title":{"type":"string","maxLength":2},
        "owner":{"type":"string"}},"x-taskstore":{"index":["owner"]}})";
    disk->put_file("/p/schemas/bugs.json", strict);
    for (Process* process : {&p, &other}) {
        process->clock.advance_ms(1000);
        const auto misfits = (*process)->misfits("bugs", 3);
        ASSERT_TRUE(misfits) << misfits.error().message;
        EXPECT_EQ(misfits->records, 30);
        EXPECT_EQ(misfits->count, 30);
        EXPECT_EQ(misfits->listed.size(), 3U);
        EXPECT_EQ(whys(*process, "misfit").size(), 20U);
        EXPECT_EQ(whys(*process, "more").size(), 1U);
        EXPECT_EQ(found(*process, "owner=ann").size(), 0U);
    }
    // Two processes that take turns do not build the cache for each other again and again.
    ASSERT_TRUE(p->sync());
    ASSERT_TRUE(other->sync());
    for (int turn = 0; turn < 6; ++turn) {
        Process& process = turn % 2 == 0 ? p : other;
        const auto made =
            add(process, "o" + std::to_string(turn), {{"title", "\"ab\""}, {"owner", "\"ann\""}});
        ASSERT_TRUE(made) << made.error().message;
        process.clock.advance_ms(1000);
        EXPECT_EQ(found(process, "owner=ann").size(), static_cast<std::size_t>(turn + 1));
        EXPECT_FALSE(process->sync()->rebuilt) << turn;
    }
    EXPECT_TRUE(p->take_notes().empty());
}

TEST(DeclaredCollections, ADamagedSchemaLeavesTheCollectionUntyped) {
    auto disk = new_disk();
    {
        Process p(*disk);
        ASSERT_TRUE(p->declare(bugs(), Declare::add));
        ASSERT_TRUE(add(p, "b1", {{"title", "\"Crash\""}}));
    }
    disk->put_file("/p/schemas/bugs.json", "{\n<<<<<<< ours\n}");
    disk->put_file("/p/schemas/a b.json", "{}");
    disk->put_file("/p/schemas/prds.json", "{}");
    disk->put_directory("/p/schemas/folder.json");
    Process p(*disk, 2);
    ASSERT_TRUE(p.opened) << p.opened.error().message;
    EXPECT_EQ(p->list({.collection = "bugs"})->records.size(), 1U);
    ASSERT_TRUE(add(p, "b2", {{"title", "1"}}));
    const auto problems = whys(p, "schema");
    ASSERT_EQ(problems.size(), 4U);
    EXPECT_NE(problems[1].find("schemas/bugs.json: the schema is no JSON"), std::string::npos)
        << problems[1];
    EXPECT_EQ(p->declare({.name = "bugs"}, Declare::change).error().code, Code::invalid);
    ASSERT_TRUE(p->declare(bugs(), Declare::change));
    EXPECT_EQ(whys(p, "schema").size(), 3U);
    EXPECT_EQ(p->misfits("bugs", 9)->count, 1);
}

TEST(DeclaredCollections, UndeclaredAgainTheRecordsStay) {
    auto disk = new_disk();
    Process p(*disk);
    EXPECT_EQ(p->undeclare("bugs").error().code, Code::not_found);
    ASSERT_TRUE(p->declare(bugs(), Declare::add));
    ASSERT_TRUE(add(p, "b1", {{"title", "\"Crash\""}}));
    const std::string hash = *p->state_hash();
    ASSERT_TRUE(p->undeclare("bugs"));
    EXPECT_EQ(p->get("bugs", "b1")->id, "b1");
    EXPECT_EQ(*p->state_hash(), hash);
    ASSERT_TRUE(add(p, "b2", {{"title", "1"}}));
    EXPECT_EQ(p->misfits("bugs", 1).error().code, Code::not_found);
}

TEST(DeclaredCollections, AfterAPowerCutTheOldSchemaIsThereOrTheNewOne) {
    const std::string before = *CollectionSchema::compose(bugs());
    const std::string after = *CollectionSchema::compose(anything(), before);
    // The file comes first; what follows is a cache, whose crashes have their own tests.
    for (std::size_t n = 0;; n += n < 16 ? 1 : 23) {
        SCOPED_TRACE("power off after " + std::to_string(n) + " calls");
        auto disk = new_disk();
        Process p(*disk);
        ASSERT_TRUE(p->declare(bugs(), Declare::add));
        ASSERT_TRUE(add(p, "b1", {{"title", "\"Crash\""}}));
        disk->reset_calls();
        disk->power_off_after(n);
        const auto changed = p->declare(anything(), Declare::change);
        const bool done = !disk->power_is_off();
        for (const os::PowerCut& cut : os::PowerCut::matrix(0)) {
            SCOPED_TRACE(cut.text());
            const auto left = disk->after_power_cut(cut);
            const auto now = left->get_file("/p/schemas/bugs.json");
            ASSERT_TRUE(now);
            EXPECT_TRUE(*now == before || *now == after) << *now;
            if (changed) {
                EXPECT_EQ(*now, after);
            }
            Process next(*left, 2, nullptr, "another boot");
            ASSERT_TRUE(next.opened) << next.opened.error().message;
            EXPECT_TRUE(next->get("bugs", "b1"));
            EXPECT_TRUE(whys(next, "schema").empty());
        }
        if (done) {
            EXPECT_GT(n, 20U);
            return;
        }
        ASSERT_LT(n, 500U);
    }
}

TEST(DeclaredCollections, AFailingDiskLeavesTheOldSchemaOrTheNewOne) {
    for (std::size_t n = 1;; n += n < 16 ? 1 : 7) {
        SCOPED_TRACE("call " + std::to_string(n));
        auto disk = new_disk();
        Process p(*disk);
        ASSERT_TRUE(p->declare(bugs(), Declare::add));
        const std::string before = *disk->get_file("/p/schemas/bugs.json");
        disk->reset_calls();
        disk->fail_at(n);
        const auto changed = p->declare(anything(), Declare::change);
        const bool done = disk->calls() < n;
        disk->clear_faults();
        const std::string now = *disk->get_file("/p/schemas/bugs.json");
        const bool unknown = !changed && changed.error().code == Code::outcome_unknown;
        if (!unknown) {
            EXPECT_EQ(changed.has_value(), now != before);
        }
        p.clock.advance_ms(1000);
        const auto made = add(p, "b1", {{"title", "1"}});
        EXPECT_EQ(made.has_value(), now != before) << now;
        if (done) {
            EXPECT_GT(n, 20U);
            return;
        }
        ASSERT_LT(n, 500U);
    }
}

TEST(DeclaredCollections, APlanThatCannotBeWrittenKnowsItsSchemas) {
    auto disk = new_disk();
    {
        Process p(*disk);
        ASSERT_TRUE(p->declare(bugs(), Declare::add));
        ASSERT_TRUE(add(p, "b1", {{"title", "\"Crash\""}}));
    }
    ASSERT_TRUE(disk->unlink("/p/store.db"));
    disk->fail_at(1, {.kind = os::FaultKind::disk_full, .forever = true});
    Process p(*disk, 2);
    ASSERT_TRUE(p.opened) << p.opened.error().message;
    EXPECT_EQ(found(p, "severity=3"), Ids{"b1"});
    EXPECT_EQ(p->misfits("bugs", 1)->records, 1);
}

}  // namespace

// A struct of a program's own.
enum class Mood : std::uint8_t { calm, cross };
enum class NoteStatus : std::uint8_t { open, done };

struct Note {
    Id<Note> id{};
    std::int64_t updated_at = 0;
    std::string revision{};
    std::string text{};
    std::optional<std::string> author{};
    Mood mood = Mood::calm;
    NoteStatus status = NoteStatus::open;
    bool pinned = false;
    std::optional<double> weight{};
    std::int32_t offset = 0;
};

template <>
struct Choices<Mood> {
    static constexpr std::array<std::string_view, 2> names{"calm", "cross"};
};
template <>
struct Choices<NoteStatus> {
    static constexpr std::array<std::string_view, 2> names{"open", "done"};
};
template <>
struct Declaration<Note> {
    static constexpr std::string_view collection = "notes";
    static constexpr std::string_view help = "short texts";
    static constexpr std::array transitions{Transition{"open", "done"}};
    static constexpr auto fields =
        std::tuple{field(&Note::text, {.name = "text", .required = true, .help = "what it says"}),
                   field(&Note::author, {.name = "author", .indexed = true}),
                   field(&Note::mood, {.name = "mood", .initial = "\"calm\""}),
                   field(&Note::status, {.name = "status", .initial = "\"open\""}),
                   field(&Note::pinned, {.name = "pinned", .indexed = true, .initial = "false"}),
                   field(&Note::weight, {.name = "weight"}),
                   field(&Note::offset, {.name = "offset", .initial = "0"})};
};

namespace {

TEST(TypedCollections, AStructOfOnesOwnIsChecked) {
    auto disk = new_disk();
    Process p(*disk);
    Collection<Note> notes(*p);
    // Without a declaration in the plan it is typed all the same.
    const auto early = notes.create({.text = "early", .offset = -7});
    ASSERT_TRUE(early) << early.error().message;
    EXPECT_EQ(early->offset, -7);
    const auto declared = notes.declare();
    ASSERT_TRUE(declared) << declared.error().message;
    EXPECT_TRUE(declared->changed);
    EXPECT_FALSE(notes.declare()->changed);
    EXPECT_EQ(p->misfits("notes", 1)->count, 0);

    auto made = notes.create({.text = "later", .author = "ann", .pinned = true, .weight = 0.5});
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_TRUE(made->pinned);
    EXPECT_EQ(made->weight, 0.5);
    EXPECT_EQ(*notes.count(*Collection<Note>::filter("pinned=true and weight>0.4")), 1);
    EXPECT_EQ(*notes.count(*Collection<Note>::filter("author=ann")), 1);
    EXPECT_FALSE(Collection<Note>::filter("pinned=maybe"));
    made->author.reset();
    made->status = NoteStatus::done;
    const auto changed = notes.update(*made);
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_FALSE(changed->author);
    Note back = *changed;
    back.status = NoteStatus::open;
    EXPECT_EQ(notes.update(back).error().code, Code::conflict);
    EXPECT_EQ(notes.create({.text = ""}).error().code, Code::invalid);
    EXPECT_EQ(notes.list({.order_field = "text"})->records.size(), 2U);
    EXPECT_EQ(notes.remove(made->id)->text, "later");
    EXPECT_EQ(*notes.count(), 1);
}

}  // namespace
}  // namespace taskstore::records
