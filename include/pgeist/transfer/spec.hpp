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

/// A column whose changes are logged.
struct watched_column {
    std::string name;
    std::string type;  ///< as format_type prints it with search_path = pg_catalog
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

    // What follows is said where the read side's rows once came from the write side; see replay_mode::keep.

    /// SQL over the columns of the write side: what `read_name` has, as long as nobody has changed it since the row
    /// came from there. Values are compared in the read side's type by it, and where a row lived through, what it says
    /// to be unchanged keeps the write side's bytes.
    std::optional<std::string> inverse;
    std::string read_type;  ///< of `read_name`; empty where there is no `inverse`
    /// A value is only brought when `inverse` gives it back byte for byte; else the row is set apart. False for values
    /// that the user's own expression gives.
    bool proven = false;
    /// The write side's own: rows that lived through keep what they have, `expression` (or the default, where there is
    /// none) is for others.
    bool kept = false;
    /// The columns of the read side that this value comes from, where it is logged which of them a change touches:
    /// a row that lived through has its value computed anew where one of them was touched since, and else keeps what
    /// the write side has. Empty: `inverse` alone tells.
    std::vector<watched_column> watched;
    /// The value depends on more than `watched`: which rows were made or touched since must be known for as long as
    /// the transfer goes on, so that it does not matter when they were replayed.
    bool remembered = false;
    /// Columns of the write side, still on both, that the read side's value was once computed from; for the
    /// direction in which that is done again.
    std::vector<watched_column> computed_from;
};

/// One column of an order that the user wants the rows in.
struct order_term {
    std::string expression;  ///< SQL over the columns of the read side
    std::string direction;   ///< SQL behind a column of its values: collation, operator, where NULLs go
};

/// What replay does to a row that the write side has already.
enum class replay_mode {
    replace,  ///< deletes it, and inserts the read side's current row
    /// The write side's row is what the read side's row once came from, and may hold what the other does not: columns
    /// of its own (column::kept), and more precise values (column::inverse). They survive for as long as the row lives
    /// and its value is not changed, also when its key changes; not in a row that is made later under the same key.
    keep
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
    bool heap_order = false;  ///< copied in the order of the read side's file: see walk/heap_order.hpp
    /// Copied in this order instead, see copy/order.hpp; the key's columns come last. Empty: none is asked for.
    std::vector<order_term> order;
    std::vector<column> columns;  ///< in the write side's order, dropped ones left out
    /// Statement triggers would not fire for every change of the read side, or keep too much.
    bool row_triggers = false;
    replay_mode mode = replay_mode::replace;
    /// Rows that do not fit the write side are set apart, see unfit(), and replay goes on without them. Otherwise the
    /// first one ends it.
    bool sets_apart = false;
    std::string fingerprint;                     ///< of the read side's definition when the transfer was made
    std::vector<std::string> fingerprint_parts;  ///< what it is made of, to tell what changed; may be empty

    /// All columns of the read side that expressions may name, where rows are set apart.
    std::vector<std::string> read_columns;

    /// The keys of changed rows, in any order, perhaps more than once.
    [[nodiscard]] qualified_name log() const { return {schema, "pgeist_log"}; }
    /// One row for each TRUNCATE of the read side.
    [[nodiscard]] qualified_name truncations() const { return {schema, "pgeist_truncations"}; }
    /// Keys that the comparison has to look at again.
    [[nodiscard]] qualified_name recheck() const { return {schema, "pgeist_recheck"}; }

    /// In mode keep: one row for each row whose key was changed, with the key before.
    [[nodiscard]] qualified_name links() const { return {schema, "pgeist_links"}; }
    /// In mode keep: births whose transaction has changed a key before, see triggers/keep_history.sql.
    [[nodiscard]] qualified_name births() const { return {schema, "pgeist_births"}; }
    /// Where rows are set apart: those that do not fit, by their key, why, and what the write side had.
    [[nodiscard]] qualified_name unfit() const { return {schema, "pgeist_unfit"}; }
    /// Rows of both sides as values, for columns with an `inverse` that are not `proven`.
    [[nodiscard]] qualified_name read_row() const { return {schema, "pgeist_read_row"}; }
    [[nodiscard]] qualified_name write_row() const { return {schema, "pgeist_write_row"}; }
    /// Where touches are logged: what is remembered of rows, by their key; see replay/keep_sql.hpp.
    [[nodiscard]] qualified_name since() const { return {schema, "pgeist_since"}; }
    /// What one batch works with. Empty to everybody but its transaction.
    [[nodiscard]] qualified_name batch() const { return {schema, "pgeist_batch"}; }

    /// For a copy in an order: the places of the read side's rows, in that order.
    [[nodiscard]] qualified_name places() const { return {schema, "pgeist_places"}; }
    /// Before they are in order: each with the values that say where it belongs.
    [[nodiscard]] qualified_name unsorted_places() const { return {schema, "pgeist_unsorted"}; }

    /// Rows are copied by their places, which an UPDATE changes: a row that was changed since capture began may be
    /// copied twice, or not at all. See walk/heap_order.hpp for what makes that right.
    [[nodiscard]] bool by_place() const { return heap_order || !order.empty(); }
    /// The key by which chunks of rows are cut: the walked one, or places.
    [[nodiscard]] const walk::key& copy_key() const { return by_place() ? walk::key_of_places() : key; }
    /// The table whose rows are cut into chunks by it.
    [[nodiscard]] qualified_name copied_along() const { return order.empty() ? read.name : places(); }
};

}  // namespace pgeist::transfer
