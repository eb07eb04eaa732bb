#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgeist/ddl/splitter.hpp"

namespace pgeist::ddl {

/// What a migration tool is told by a comment.
enum class mark_kind { none, up, down, no_transaction, transaction, breakpoint };

struct mark {
    mark_kind kind = mark_kind::none;
    std::string tool;                 ///< `goose`, `dbmate`, …
    std::optional<bool> transaction;  ///< what an up or down mark says besides about its section
};

/// Reads the comment of a tool: goose, sql-migrate, dbmate, sqlx, Atlas, Flyway, Liquibase, drizzle, Alembic,
/// node-pg-migrate, postgres-migrations, yoyo.
[[nodiscard]] mark read_mark(std::string_view comment);

/// The tool that a file's name speaks of (Flyway's V1__name.sql, sqlx's and golang-migrate's .up.sql); empty: none.
[[nodiscard]] std::string tool_of_name(std::string_view file_name);

/// Whether the file takes a change back: x.down.sql, U1__x.sql, down.sql, x_rollback.sql.
[[nodiscard]] bool is_down_file(std::string_view path);

/// Orders names as people do: V2 before V10.
[[nodiscard]] bool natural_less(std::string_view a, std::string_view b);

}  // namespace pgeist::ddl
