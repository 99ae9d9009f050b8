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
CREATE TABLE taskstore_dead(rid INTEGER PRIMARY KEY, collection TEXT NOT NULL, id TEXT NOT NULL, updated_at INTEGER NOT NULL,
  stamps TEXT NOT NULL, UNIQUE(collection, id)) STRICT;
CREATE TABLE taskstore_damaged(collection TEXT NOT NULL, line INTEGER NOT NULL, offset INTEGER NOT NULL, col INTEGER NOT NULL,
  what TEXT NOT NULL, reason TEXT NOT NULL, raw TEXT NOT NULL, batch INTEGER, k INTEGER) STRICT;
CREATE TABLE taskstore_lost(rid INTEGER NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL, member TEXT NOT NULL, value TEXT NOT NULL,
  stamp TEXT NOT NULL, actor TEXT NOT NULL, lost_to INTEGER NOT NULL, clash INTEGER NOT NULL) STRICT;
CREATE INDEX taskstore_lost_rid ON taskstore_lost(rid);
CREATE TABLE taskstore_agreed(rid INTEGER NOT NULL, member TEXT NOT NULL, stamp TEXT NOT NULL,
  PRIMARY KEY(rid, member, stamp)) STRICT, WITHOUT ROWID;
CREATE TABLE records(rid INTEGER PRIMARY KEY, collection TEXT NOT NULL, id TEXT NOT NULL, updated_at INTEGER NOT NULL,
  revision TEXT NOT NULL, data TEXT NOT NULL, stamps TEXT NOT NULL, UNIQUE(collection, id)) STRICT;
)";
    for (const Kind& kind : catalogue.kinds()) {
        const std::string table(kind.collection);
        ddl += "CREATE TABLE " + table +
               "(rid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, updated_at INTEGER NOT NULL, "
               "revision TEXT NOT NULL";
        for (const Field& field : kind.fields) {
            if (!field.document)
                ddl += ", " + std::string(field.name) + " " + std::string(type_of(field));
        }
        ddl += ", data TEXT NOT NULL, stamps TEXT NOT NULL";
        ddl += ") STRICT;\n";
    }
    return ddl;
}

std::string schema_indexes(const Catalogue& catalogue) {
    std::string ddl =
        "CREATE INDEX taskstore_lines_rid ON taskstore_lines(rid);\n"
        "CREATE INDEX taskstore_lines_batch ON taskstore_lines(batch) WHERE batch IS NOT NULL;\n"
        "CREATE INDEX taskstore_damaged_batch ON taskstore_damaged(batch) WHERE batch IS NOT "
        "NULL;\n"
        "CREATE INDEX records_updated ON records(collection, updated_at, id);\n"
        "CREATE INDEX records_ending ON records(collection, substr(id,-8));\n";
    for (const Kind& kind : catalogue.kinds()) {
        const std::string table(kind.collection);
        // What lists print for an id, and people type.
        ddl += "CREATE INDEX " + table + "_ending ON " + table + "(substr(id,-8));\n";
        for (const Field& field : kind.fields) {
            if (!field.indexed) continue;
            const std::string name(field.name);
            const bool order = name == kind.order_field;
            // A filter on one field lists in the kind's order without sorting.
            const std::string tail = order || kind.order_field == "updated_at"
                                         ? ""
                                         : "," + std::string(kind.order_field);
            ddl += "CREATE INDEX " + table + "_" + name + " ON " + table + "(" + name + tail +
                   ",id);\n";
        }
    }
    return ddl;
}

std::string schema_version(const Catalogue& catalogue) {
    return sha256_hex(schema_tables(catalogue) + schema_indexes(catalogue) +
                      std::to_string(ledger::kChunkBytes))
        .substr(0, 16);
}

}  // namespace taskstore::records
