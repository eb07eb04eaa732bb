#pragma once

#include <cstdint>
#include <optional>

#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/inquiry.hpp"

namespace pgeist::catalog {

/// Finds the relation `name` leads to. A name without schema is looked up in the search_path that the user's own
/// sessions have, not in pgeist's. Must be called in a transaction: it sets search_path locally, and sets it back.
/// Takes no lock. nullopt: there is no such relation (or schema).
/// @throws pg::sql_error
[[nodiscard]] awaitable<std::optional<relation>> find_table(pg::connection& conn, qualified_name name);

/// Reads the whole definition of the table `oid`. Takes ACCESS SHARE on it until the end of the transaction, so that
/// the parts fit together; must be called in a transaction.
/// Must be called in a transaction: it changes settings locally, and sets them back.
/// @throws pg::sql_error; error when the table is gone
[[nodiscard]] awaitable<table> read_table(pg::connection& conn, std::int64_t oid);

/// Reads all that definition() shows: without fingerprint, estimates and what refers to the table from elsewhere.
/// @throws as read_table()
[[nodiscard]] awaitable<table> read_definition(pg::connection& conn, std::int64_t oid);
/// Of several tables, none twice, in their order: each question is asked about all of them at once.
[[nodiscard]] awaitable<std::vector<table>> read_definitions(pg::connection& conn, std::vector<std::int64_t> oids);

/// Reads columns, indexes and constraints only; touches nothing but the catalogs, and needs no right on the table.
/// @throws as read_table()
[[nodiscard]] awaitable<table> read_shape(pg::connection& conn, std::int64_t oid);

/// What refers to the table by its OID from elsewhere, as pg_describe_object prints it. Leaves the session's settings
/// as they are.
[[nodiscard]] awaitable<std::vector<std::string>> names_of_dependents(pg::connection& conn, std::int64_t oid);
[[nodiscard]] awaitable<std::vector<std::string>> names_of_dependents(pg::inquiry& ask, std::int64_t oid);

/// The user's triggers of a table or view. Definitions are as the search_path has them printed.
[[nodiscard]] awaitable<std::vector<trigger>> triggers_of(pg::connection& conn, std::int64_t relation);

}  // namespace pgeist::catalog
