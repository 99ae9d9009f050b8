// Validation of records of 2 KB against a schema of 20 members, on one core.
//   schema_bench [AJV_FOLDER]   AJV_FOLDER/node_modules/ajv is measured too, in rounds between ours
#include <taskstore/base/json.hpp>
#include <taskstore/schema/schema.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>

namespace {

using namespace taskstore;

constexpr std::string_view kSchema = R"json({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "additionalProperties": false,
  "required": ["id", "title", "status", "created_at", "updated_at"],
  "properties": {
    "id": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"},
    "title": {"type": "string", "minLength": 1, "maxLength": 200},
    "status": {"enum": ["draft", "ready", "running", "complete", "failed", "canceled"]},
    "kind": {"enum": ["bug", "feature", "task"]},
    "priority": {"type": "integer", "minimum": -100, "maximum": 100},
    "estimate": {"type": ["number", "null"], "minimum": 0, "multipleOf": 0.25},
    "created_at": {"type": "integer", "minimum": 0},
    "updated_at": {"type": "integer", "minimum": 0},
    "due_at": {"type": ["integer", "null"]},
    "description": {"type": "string", "maxLength": 65536},
    "design": {"type": "string"},
    "notes": {"type": "string"},
    "labels": {"type": "array", "maxItems": 64, "uniqueItems": true,
               "items": {"type": "string", "minLength": 1, "maxLength": 64}},
    "assignee": {"type": ["string", "null"]},
    "reporter": {"type": "string"},
    "parent": {"$ref": "#/$defs/reference"},
    "dependencies": {"type": "array", "items": {"type": "object", "required": ["id", "kind"],
        "properties": {"id": {"$ref": "#/$defs/reference"}, "kind": {"enum": ["blocks", "related"]}},
        "additionalProperties": false}},
    "flags": {"type": "object", "additionalProperties": {"type": "boolean"}},
    "estimate_by": {"anyOf": [{"type": "null"}, {"type": "string", "minLength": 2}]},
    "version": {"type": "integer", "exclusiveMinimum": 0}
  },
  "$defs": {"reference": {"type": "string", "minLength": 1, "maxLength": 256}}
})json";

std::string text_of(std::mt19937& random, std::size_t bytes) {
    static constexpr std::array kWords{
        "the",    "plan",  "that", "somebody", "wrote", "down",           "after", "lunch",
        "größer", "moves", "when", "a\\nline", "ends",  "\\\"quoted\\\"", "and",   "stays"};
    std::string text;
    while (text.size() < bytes) text.append(kWords[random() % kWords.size()]).append(" ");
    return text;
}

std::string record(std::mt19937& random, int i) {
    const auto n = [&](unsigned below) { return std::to_string(random() % below); };
    std::array<char, 64> id{};
    std::snprintf(id.data(), id.size(), "%08x-%04x-7%03x-8%03x-%012x", i, i & 0xFFFF, i & 0xFFF,
                  i & 0xFFF, i);
    return "{\"id\":\"" + std::string(id.data()) + "\",\"title\":\"" + text_of(random, 60) +
           "\",\"status\":\"running\",\"kind\":\"task\",\"priority\":" + n(100) +
           ",\"estimate\":" + n(40) + ".75,\"created_at\":17000000" + n(90000) +
           ",\"updated_at\":17000000" + n(90000) + ",\"due_at\":null,\"description\":\"" +
           text_of(random, 700) + "\",\"design\":\"" + text_of(random, 400) + "\",\"notes\":\"" +
           text_of(random, 300) +
           "\",\"labels\":[\"backend\",\"storage\",\"needs review\",\"q3\"],\"assignee\":\"ann\","
           "\"reporter\":\"bob\",\"parent\":\"prd-" +
           n(1000) + "\",\"dependencies\":[{\"id\":\"ts-" + n(1000) +
           "\",\"kind\":\"blocks\"},{\"id\":\"ts-" + n(1000) +
           "\",\"kind\":\"related\"}],\"flags\":{\"pinned\":true,\"hidden\":false},"
           "\"estimate_by\":\"carol\",\"version\":" +
           std::to_string(1 + random() % 50) + "}";
}

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec) * 1e-6;
}

template <typename Work>
double rate(std::size_t bytes, Work&& work) {
    const double start = cpu_seconds();
    work();
    return static_cast<double>(bytes) / 1e6 / (cpu_seconds() - start);
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    std::mt19937 random(1);
    std::vector<std::string> records;
    std::size_t bytes = 0;
    for (int i = 0; i < 50'000; ++i) bytes += records.emplace_back(record(random, i)).size();
    auto schema = schema::Schema::compile(kSchema);
    if (!schema) return std::fprintf(stderr, "%s\n", schema.error().message.c_str()), 1;
    if (const auto told = schema->validate(records[0]); !told || !told->empty()) {
        std::fprintf(stderr, "%s\n", told ? to_text((*told)[0]).c_str() : "not JSON");
        return 1;
    }
    const std::string folder = argc > 1 ? argv[1] : "";
    const std::string lines = folder + "/schema_bench.jsonl";
    if (!folder.empty()) {
        std::ofstream out(lines, std::ios::binary);
        out << *canonical_json(kSchema) << '\n';
        for (const std::string& one : records) out << one << '\n';
    }
    std::vector<double> ours, slices, ajv, ajv_alone, compile;
    std::size_t wrong = 0;
    for (int round = 0; round < 5; ++round) {
        ours.push_back(rate(bytes, [&] {
            for (const std::string& one : records) {
                const auto fits = schema->fits(one);
                wrong += fits && *fits ? 0U : 1U;
            }
        }));
        JsonSlicer slicer;
        slices.push_back(rate(bytes, [&] {
            for (const std::string& one : records) wrong += slicer.slice(one) ? 0U : 1U;
        }));
        const double start = cpu_seconds();
        for (int i = 0; i < 200; ++i) wrong += schema::Schema::compile(kSchema) ? 0U : 1U;
        compile.push_back((cpu_seconds() - start) / 200 * 1e6);
        if (folder.empty()) continue;
        const std::string command = "cd '" + folder +
                                    "' && node '" TASKSTORE_BENCH_DIR
                                    "/ajv_bench.cjs' schema_bench.jsonl";
        const std::unique_ptr<FILE, int (*)(FILE*)> node(popen(command.c_str(), "r"), pclose);
        double both = 0;
        double alone = 0;
        if (std::fscanf(node.get(), "%lf %lf", &both, &alone) == 2) {
            ajv.push_back(both);
            ajv_alone.push_back(alone);
        }
    }
    std::printf("records: %zu of %zu bytes; %zu wrong\n", records.size(), bytes / records.size(),
                wrong);
    std::printf("fits, from text                    %6.0f MB/s of CPU time\n", median(ours));
    std::printf("JsonSlicer alone, for comparison   %6.0f MB/s\n", median(slices));
    std::printf("compile                            %6.0f us\n", median(compile));
    if (!ajv.empty()) {
        std::printf("ajv, JSON.parse and validate       %6.0f MB/s; ours is %.1f times that\n",
                    median(ajv), median(ours) / median(ajv));
        std::printf("ajv, validate alone (parsed)       %6.0f MB/s\n", median(ajv_alone));
    }
    return wrong == 0 ? 0 : 1;
}
