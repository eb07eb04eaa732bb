#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/walk/heap_order.hpp"
#include "pgeist/walk/key.hpp"

namespace pgeist::transfer {

/// A table that rows are read from or written to.
struct relation {
    qualified_name name;
    std::int64_t oid = 0;
    bool has_leaves = false;  ///< partitioned: a row's ctid alone does not tell where it is
};

/// A column of the write side and where its value comes from.
struct column {
    std::string name;                      ///< on the write side
    std::string type;                      ///< there, as format_type prints it with search_path = pg_catalog
    std::optional<std::string> read_name;  ///< the column of the read side with the same identity
    /// SQL over the columns of the read side (bare quoted names, functions and operators schema-qualified) that is
    /// INSERTed into the column with assignment coercion, as ALTER TABLE does. nullopt: the column is left to its
    /// default or is generated.
    std::optional<std::string> expression;
    bool compared = true;    ///< verified byte for byte; false where the value cannot be derived (a volatile default)
    std::string conversion;  ///< for humans: "unchanged", "integer → bigint", "USING …", "default …", "generated"
};

/// A transfer: the rows of one table, the read side, are brought to another, the write side, by a key, while others go
/// on writing to the read side. What they write is logged (capture/), chunks of rows are copied (copy/), logged keys
/// are brought up to date (replay/), and both sides are compared (verify/). The four take this value and nothing else:
/// what the tables are for, and what becomes of them, is their users' business.
struct spec {
    relation read;
    relation write;
    /// Holds the log and its sisters and the functions of the triggers; the triggers' names begin with it. Each
    /// transfer has one of its own.
    std::string schema;
    walk::key key;
    bool heap_order = false;      ///< copied in the order of the read side's file: see walk/heap_order.hpp
    std::vector<column> columns;  ///< in the write side's order, dropped ones left out
    /// Statement triggers would not fire for every change of the read side, or keep too much.
    bool row_triggers = false;
    std::string fingerprint;                     ///< of the read side's definition when the transfer was made
    std::vector<std::string> fingerprint_parts;  ///< what it is made of, to tell what changed; may be empty

    /// The keys of changed rows, in any order, perhaps more than once.
    [[nodiscard]] qualified_name log() const { return {schema, "pgeist_log"}; }
    /// One row for each TRUNCATE of the read side.
    [[nodiscard]] qualified_name truncations() const { return {schema, "pgeist_truncations"}; }
    /// Keys that the comparison has to look at again.
    [[nodiscard]] qualified_name recheck() const { return {schema, "pgeist_recheck"}; }

    /// The key by which rows are copied: the walked one, or their place.
    [[nodiscard]] const walk::key& copy_key() const { return heap_order ? walk::key_of_places() : key; }
};

}  // namespace pgeist::transfer
