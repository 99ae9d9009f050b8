#include "cache.hpp"

#include <taskstore/base/hash.hpp>

namespace taskstore::records {
namespace {

std::string_view type_of(const Field& field) {
    return field.type == FieldType::integer || field.type == FieldType::time_ms ? "INTEGER"
                                                                                : "TEXT";
}

}  // namespace

std::string schema_tables(const Catalogue& catalogue) {
    std::string ddl = R"(
CREATE TABLE taskstore_meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE taskstore_files(file INTEGER PRIMARY KEY, collection TEXT NOT NULL UNIQUE, device INTEGER NOT NULL,
  inode INTEGER NOT NULL, btime INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL,
  racy INTEGER NOT NULL, live INTEGER NOT NULL, hashed INTEGER NOT NULL) STRICT;
CREATE TABLE taskstore_chunks(file INTEGER PRIMARY KEY, chunks BLOB NOT NULL) STRICT;
CREATE TABLE taskstore_lines(pos INTEGER PRIMARY KEY, rid INTEGER NOT NULL, bytes INTEGER NOT NULL, batch INTEGER, k INTEGER) STRICT;
CREATE TABLE taskstore_batches(batch INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, n INTEGER NOT NULL, complete INTEGER NOT NULL) STRICT;
CREATE TABLE taskstore_places(pos INTEGER NOT NULL, batch INTEGER NOT NULL, k INTEGER NOT NULL,
  PRIMARY KEY(batch, k, pos)) STRICT, WITHOUT ROWID;
CREATE INDEX "taskstore_places:pos" ON taskstore_places(pos);
CREATE TABLE taskstore_dead(rid INTEGER PRIMARY KEY, collection TEXT NOT NULL, id TEXT NOT NULL, updated_at INTEGER NOT NULL,
  stamps TEXT NOT NULL, UNIQUE(collection, id)) STRICT;
CREATE TABLE taskstore_damaged(collection TEXT NOT NULL, line INTEGER NOT NULL, offset INTEGER NOT NULL, col INTEGER NOT NULL,
  what TEXT NOT NULL, reason TEXT NOT NULL, raw TEXT NOT NULL, batch INTEGER, k INTEGER) STRICT;
CREATE TABLE taskstore_lost(rid INTEGER NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL, member TEXT NOT NULL, value TEXT NOT NULL,
  stamp TEXT NOT NULL, actor TEXT NOT NULL, lost_to INTEGER NOT NULL, clash INTEGER NOT NULL) STRICT;
CREATE INDEX "taskstore_lost:rid" ON taskstore_lost(rid);
CREATE TABLE taskstore_agreed(rid INTEGER NOT NULL, member TEXT NOT NULL, stamp TEXT NOT NULL,
  PRIMARY KEY(rid, member, stamp)) STRICT, WITHOUT ROWID;
CREATE TABLE records(rid INTEGER PRIMARY KEY, collection TEXT NOT NULL, id TEXT NOT NULL, updated_at INTEGER NOT NULL,
  revision TEXT NOT NULL, data TEXT NOT NULL, stamps TEXT NOT NULL, UNIQUE(collection, id)) STRICT;
)";
    for (const Kind& kind : catalogue.kinds()) {
        ddl += "CREATE TABLE " + table_of(&kind) +
               "(rid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, updated_at INTEGER NOT NULL, "
               "revision TEXT NOT NULL";
        for (const Field& field : kind.fields) {
            if (!field.document)
                ddl += ", " + column_of(&kind, field.name) + " " +
                       std::string(kind.declared ? "ANY" : type_of(field));
        }
        ddl += ", data TEXT NOT NULL, stamps TEXT NOT NULL";
        ddl += ") STRICT;\n";
    }
    return ddl;
}

std::string schema_indexes(const Catalogue& catalogue) {
    std::string ddl =
        "CREATE INDEX \"taskstore_lines:rid\" ON taskstore_lines(rid);\n"
        "CREATE INDEX \"taskstore_lines:batch\" ON taskstore_lines(batch) WHERE batch IS NOT "
        "NULL;\n"
        "CREATE INDEX \"taskstore_damaged:batch\" ON taskstore_damaged(batch) WHERE batch IS NOT "
        "NULL;\n"
        "CREATE INDEX \"records:updated\" ON records(collection, updated_at, id);\n"
        "CREATE INDEX \"records:ending\" ON records(collection, substr(id,-8));\n";
    for (const Kind& kind : catalogue.kinds()) {
        // A collection's name has no '.' or ':' in it, so no table is called like an index.
        const auto index = [&](const std::string& name, const std::string& columns) {
            ddl += "CREATE INDEX " + quoted(std::string(kind.collection) + name) + " ON " +
                   table_of(&kind) + "(" + columns + ");\n";
        };
        // What lists print for an id, and people type.
        index(":ending", "substr(id,-8)");
        if (kind.declared) index(":updated", "updated_at,id");
        for (const Field& field : kind.fields) {
            if (!field.indexed) continue;
            const std::string column = column_of(&kind, field.name);
            // A filter on one field lists in the kind's order without sorting.
            const std::string tail = field.name == kind.order_field ||
                                             (kind.order_field == "updated_at" && !kind.declared)
                                         ? ""
                                         : "," + std::string(kind.order_field);
            index("." + std::string(field.column.empty() ? field.name : field.column),
                  column + tail + ",id");
        }
    }
    return ddl;
}

std::string schema_version(const Catalogue& catalogue) {
    const auto hash = [](const Catalogue& of) {
        return sha256_hex(schema_tables(of) + schema_indexes(of) +
                          std::to_string(ledger::kChunkBytes))
            .substr(0, 16);
    };
    static const std::string kFounding = hash(*Catalogue::founding());
    return catalogue.kinds().size() == kinds().size() ? kFounding
                                                      : kFounding + " " + hash(catalogue);
}

}  // namespace taskstore::records
