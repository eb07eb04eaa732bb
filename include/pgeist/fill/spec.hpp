#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/session_profile.hpp"
#include "pgeist/pg/statement.hpp"
#include "pgeist/walk/key.hpp"

// A fill: rows of one table are set, or deleted, where they are, chunk by chunk along a key.
namespace pgeist::fill {

/// What the user asked for. Stored with the job.
struct request {
    qualified_name table;                  ///< `schema` empty: found through the user's own search_path
    std::vector<std::string> sets;         ///< `--set`, each `COLUMN = EXPRESSION` over the row's columns
    std::optional<std::string> where;      ///< `--where`: a condition over the row's columns
    bool remove = false;                   ///< `--delete`
    std::optional<std::string> key_index;  ///< `--key`: which unique index to walk

    /// One canonical line.
    [[nodiscard]] std::string describe() const;
    /// As the one statement that would do it: `UPDATE t SET … WHERE …`.
    [[nodiscard]] std::string statement() const;
};

/// A column that is set.
struct assignment {
    std::string column;
    std::string type;        ///< as format_type prints it with search_path = pg_catalog
    std::string expression;  ///< SQL over the table's columns (bare quoted names, all else schema-qualified)
    std::string as_given;    ///< the user's text
    std::string guard;       ///< SQL like `expression`: where it is not true, the row keeps what it has; empty: nowhere
};

/// All that filling needs to know: stored with the job.
struct spec {
    static constexpr int current_version = 1;
    int version = current_version;

    qualified_name table;
    std::int64_t source_oid = 0;
    bool partitioned = false;
    std::string job_schema;  ///< holds functions that expressions need; it is there only if `leftovers` is not empty
    std::vector<pg::statement> leftovers;    ///< what drops them
    pg::session_profile profile;             ///< of every session of the job
    std::string search_path = "pg_catalog";  ///< under which triggers fire: the one that expressions were read with

    walk::key key;
    std::vector<assignment> sets;          ///< empty: rows are deleted
    std::optional<std::string> condition;  ///< as an expression above
    /// A column of a unique index that a foreign key could refer to is set, or rows are deleted: rows are locked FOR
    /// UPDATE, else FOR NO KEY UPDATE.
    bool keys_change = false;
    std::optional<std::vector<std::string>> last_key;  ///< when it was planned: the walk's end; nothing: no rows

    std::int64_t estimated_rows = 0;
    std::int64_t table_bytes = 0;
    std::int64_t index_bytes = 0;

    [[nodiscard]] bool removes() const noexcept { return sets.empty(); }
    /// `ONLY "s"."t"`; a partitioned table with its partitions.
    [[nodiscard]] std::string from() const { return (partitioned ? "" : "ONLY ") + table.sql(); }
};

[[nodiscard]] std::string to_json(const request& value);
[[nodiscard]] request request_from_json(const std::string& text);
[[nodiscard]] std::string to_json(const spec& value);
/// @throws error when the text is none of a version that this program knows
[[nodiscard]] spec spec_from_json(const std::string& text);

}  // namespace pgeist::fill
