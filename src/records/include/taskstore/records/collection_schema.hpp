#pragma once
// What .taskstore/schemas/NAME.json says of a collection (floor 4; Plan reads and writes the files,
// programs show them). The file is the JSON Schema as it was given, with one member more:
//
//   "x-taskstore": {
//     "index": ["status", "priority"],
//     "status": {"initial": "open", "transitions": {"open": ["done"], "done": ["open"]}}
//   }
//
// Both parts may be absent, and so may all of it. Other members of it are left alone: a later
// version's. Without $schema it is draft 2020-12; draft-07 is known too.
//
// The schema sees a record without what belongs to the store: `deleted` and members whose names
// begin with '_' never, `id` and `updated_at` only where its properties or its required name them.

#include <taskstore/base/json.hpp>
#include <taskstore/records/kind.hpp>
#include <taskstore/schema/schema.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::records {

/// What people ask for when they declare a collection. What is not given stays as the schema's
/// own x-taskstore has it, else as it was before.
struct CollectionRequest {
    std::string name;
    std::optional<std::string> schema;  ///< JSON text.
    std::optional<std::vector<std::string>> indexes;
    /// JSON text: {"initial": …, "transitions": {STATE: [STATE…]…}}; empty: no table any more.
    std::optional<std::string> status_table;
};

/// Immutable and safe to use from many threads; views and the Kind live as long as it does.
class CollectionSchema {
  public:
    /// invalid: not JSON, no schema, one that no record of ours could ever fit, or an index or a
    /// state that it does not have; the message says where. unsupported: as Schema::compile.
    static Result<std::shared_ptr<const CollectionSchema>> parse(std::string name,
                                                                 std::string file_text);
    /// The text of the file for a request, on top of what there was (empty: nothing). invalid: no
    /// schema is given, or a part is not as it should be.
    static Result<std::string> compose(const CollectionRequest& request,
                                       std::string_view before = {});

    CollectionSchema(const CollectionSchema&) = delete;
    CollectionSchema& operator=(const CollectionSchema&) = delete;

    const Kind& kind() const { return x_kind; }
    std::string_view file_text() const { return x_text; }
    const schema::Schema& schema() const { return x_schema; }
    bool has_status_table() const { return !x_initial_status.empty(); }
    std::string_view initial_status() const { return x_initial_status; }

    /// Members with a default in the schema (and `status` with its initial state), as raw JSON:
    /// what a new record gets where nobody gives them.
    struct Default {
        std::string name;
        std::string raw_value;
    };
    const std::vector<Default>& defaults() const { return x_defaults; }

    /// Why the record does not fit, at most `violations_max` reasons (at least one); nothing where
    /// it does. `data` is its JSON. invalid: the schema asks for more steps than a check may take.
    Result<std::vector<schema::Violation>> violations(std::string_view data,
                                                      std::size_t violations_max = 20) const;

  private:
    CollectionSchema(std::string name, std::string text, schema::Schema schema);
    Status read_parts();
    Status check_own_members(const Json& root);
    Status add_fields();
    Status add_status(const Json& table);
    Status add_index(const Json& list);
    Status check_states() const;
    bool sees(std::string_view member) const;
    std::string_view keep(std::string text);
    Field* field(std::string_view name);

    std::string x_name;
    std::string x_text;
    schema::Schema x_schema;
    Kind x_kind;
    std::deque<std::string> x_texts;  ///< What fields, choices and transitions point to.
    std::deque<std::vector<std::string_view>> x_choices;
    std::vector<Field> x_fields;
    std::vector<Transition> x_transitions;
    std::vector<std::string_view> x_states;
    std::vector<Default> x_defaults;
    std::string x_initial_status;
    bool x_sees_id = false;
    bool x_sees_updated_at = false;
};

/// One line: "/title: must be string, but is integer (12) (schema: /properties/title/type)".
std::string reason_of(const schema::Violation& violation);

}  // namespace taskstore::records
