#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"

namespace pgeist::plan {

/// What a clause of ALTER TABLE does, as far as pgeist needs to know before it runs it.
enum class clause_kind {
    other,
    add_column,
    drop_column,
    alter_type,
    add_constraint,
    drop_constraint,
    change_owner,  ///< `new_name` is the role
    rename_column,
    rename_constraint,
    unknown,  ///< newer than the parser: run as given
};

/// The table of a REFERENCES in a clause, and where its name stands in the clause's text.
struct reference {
    qualified_name table;
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// One clause of an ALTER TABLE.
struct clause {
    std::string text;  ///< as the user wrote it, without the comma
    clause_kind kind = clause_kind::other;
    std::string column;      ///< the column it is about, if any
    std::string constraint;  ///< the constraint it is about, if it has a name
    std::string new_name;    ///< of a RENAME
    std::string type;        ///< text of the type in ADD COLUMN and ALTER COLUMN … TYPE
    std::optional<std::string> using_expression;
    bool if_exists = false;             ///< IF EXISTS or IF NOT EXISTS
    std::vector<reference> references;  ///< in the order they stand in the text
};

/// One ALTER TABLE statement: the clauses are run together, as PostgreSQL does.
struct alter_statement {
    std::vector<clause> clauses;
};

/// Reads the `--alter` texts: clauses, or one whole ALTER TABLE statement each. `table` is the one of `--table`; a
/// whole statement must name the same (an empty name takes the one of the statement). RENAME inside a list is split out
/// into a statement of its own, in order.
/// @throws error with exit code `refused`: a syntax error (PostgreSQL's message, with its place), another statement
/// than
///     ALTER TABLE, another table, or a clause that pgeist does not do (RENAME TO, SET SCHEMA, partitions, inheritance)
[[nodiscard]] std::vector<alter_statement> parse_alters(const std::vector<std::string>& texts, qualified_name& table);

/// The ALTER TABLE statement that runs `what` on `table` (already quoted).
[[nodiscard]] std::string alter_sql(const std::string& table, const alter_statement& what);

/// The statements of an SQL script, without comments around them and without the semicolons.
/// @throws error with exit code `refused` on a syntax error that makes splitting impossible
[[nodiscard]] std::vector<std::string> split_statements(const std::string& script);

/// `COLUMN = EXPRESSION` of `--set`.
struct assignment {
    std::string column;
    std::string expression;
};

/// @throws usage_error
[[nodiscard]] assignment parse_assignment(const std::string& text);

/// Whether `expression` is one literal or NULL, perhaps in parentheses: its type comes from where it is put.
/// @throws error with exit code `refused` when it cannot be read at all (an open string)
[[nodiscard]] bool is_bare_literal(const std::string& expression);

}  // namespace pgeist::plan
