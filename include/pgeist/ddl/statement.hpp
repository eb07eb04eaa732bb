#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/ddl/splitter.hpp"

namespace pgeist::ddl {

/// What can be read off an expression without a server.
struct expression {
    std::vector<std::string> functions;  ///< called, in lower case, with their schema if one is written
    std::vector<std::string> columns;
    std::vector<std::string> literals;  ///< its strings: the sequence of a nextval() is one
    bool constant = false;              ///< a literal, perhaps cast: no function, no column
    bool null = false;                  ///< the literal NULL
    bool query = false;                 ///< has a subquery
    bool plain = false;                 ///< nothing but a column, perhaps cast
    /// Columns c for which `c IS NOT NULL` must be true where the expression is: what a CHECK proves.
    std::vector<std::string> proven_not_null;
};

struct type_name {
    std::string schema;  ///< empty for the server's own types
    std::string name;    ///< as the catalogs spell it: int4, varchar, timestamptz
    std::vector<std::int64_t> modifiers;
    bool array = false;
    friend bool operator==(const type_name&, const type_name&) = default;

    /// `varchar(20)`, for messages and for SQL.
    [[nodiscard]] std::string display() const;
};

enum class constraint_kind {
    not_null,
    null,
    check,
    unique,
    primary_key,
    foreign_key,
    exclusion,
    default_value,
    identity,
    generated
};

struct constraint {
    constraint_kind kind = constraint_kind::check;
    std::string name;                  ///< empty: the server gives it one
    std::vector<std::string> columns;  ///< of the constrained table; for one written behind a column that column
    std::optional<expression> value;   ///< of a CHECK, DEFAULT or generated column
    qualified_name references;         ///< of a foreign key
    std::vector<std::string> referenced_columns;
    std::string index;  ///< of USING INDEX
    bool not_valid = false;
    bool not_enforced = false;
    bool stored = true;  ///< of a generated column
    bool deferrable = false;
    bool no_inherit = false;
};

struct column {
    std::string name;
    type_name type;
    std::vector<constraint> constraints;
    std::string collation;

    [[nodiscard]] const constraint* find(constraint_kind kind) const;
};

/// What one clause of ALTER TABLE (INDEX, SEQUENCE, VIEW …) does.
enum class clause_kind {
    add_column,
    drop_column,
    alter_type,
    set_default,
    drop_default,
    set_not_null,
    drop_not_null,
    set_expression,
    drop_expression,
    add_identity,
    set_identity,
    drop_identity,
    set_statistics,
    set_column_options,
    set_storage,
    set_compression,
    add_constraint,
    alter_constraint,
    validate_constraint,
    drop_constraint,
    rename_column,
    rename_constraint,
    rename,
    set_schema,
    change_owner,
    cluster_on,
    set_without_cluster,
    set_logged,
    set_unlogged,
    set_access_method,
    set_tablespace,
    set_options,
    reset_options,
    enable_trigger,
    disable_trigger,
    enable_rule,
    row_security,
    replica_identity,
    inherit,
    no_inherit,
    of_type,
    attach_partition,
    detach_partition,
    detach_finalize,
    extension_dependency,
    unknown,
};

struct clause {
    clause_kind kind = clause_kind::unknown;
    std::string text;                 ///< as written, without the comma
    std::string name;                 ///< the column, constraint, trigger or rule that it is about
    std::string new_name;             ///< of a RENAME or SET SCHEMA
    std::optional<column> added;      ///< of ADD COLUMN; of ALTER TYPE the new type
    std::optional<constraint> made;   ///< of ADD CONSTRAINT
    std::optional<expression> value;  ///< of SET DEFAULT, SET EXPRESSION, and USING of a type change
    qualified_name partner;           ///< the partition, parent or index that it names
    std::vector<qualified_name> partners;
    std::vector<std::string> options;  ///< names of storage parameters, in lower case
    std::string word;                  ///< NOTHING, FULL, DEFAULT, INDEX of REPLICA IDENTITY; ENFORCED of a constraint
    bool default_partition = false;
    bool if_exists = false;  ///< IF EXISTS or IF NOT EXISTS
    bool cascade = false;
    bool concurrently = false;
};

enum class statement_kind {
    alter_table,  ///< and ALTER INDEX, VIEW, SEQUENCE … by clauses; `object` tells
    create_table,
    create_table_as,
    create_index,
    drop,
    truncate,
    reindex,
    cluster,
    vacuum,
    analyze,
    repack,
    refresh,
    create_view,
    create_trigger,
    create_rule,
    create_policy,
    alter_policy,
    create_statistics,
    create_publication,
    alter_publication,
    create_sequence,
    alter_sequence,
    create_type,  ///< enum, composite, range
    create_domain,
    alter_domain,
    add_enum_value,
    rename_enum_value,
    alter_composite,
    comment,
    grant,
    lock_table,
    insert,
    update,
    remove,  ///< DELETE, which C++ keeps for itself
    merge,
    copy,
    select,
    begin,
    commit,
    rollback,
    savepoint,
    release,
    rollback_to,
    prepare_transaction,
    set,
    reset,
    perform,  ///< DO
    call,
    create_function,
    create_schema,
    create_extension,
    create_database,  ///< and everything else that is refused in a transaction block
    other,            ///< understood, and takes no lock on a relation
    meta_command,
    not_understood,
};

enum class object_kind {
    none,
    table,
    foreign_table,
    index,
    sequence,
    view,
    materialized_view,
    type,
    domain,
    schema,
    trigger,
    rule,
    policy,
    function,
    extension,
    statistics,
    publication,
    column,
    constraint,
    database,
    other,
};

struct index_column {
    std::string name;  ///< empty for an expression
    std::optional<expression> value;
    bool plain = true;  ///< ascending, without operator class, collation or order of NULLs
};

struct index {
    std::string name;  ///< empty: the server gives it one
    std::vector<index_column> columns;
    std::optional<expression> predicate;
    std::string method = "btree";
    bool unique = false;
};

/// A statement, understood as far as locks and work go.
struct statement {
    statement_kind kind = statement_kind::not_understood;
    object_kind object = object_kind::none;
    std::string text;
    place begin;
    std::size_t end = 0;
    std::size_t end_line = 1;

    qualified_name relation;                ///< the table, index, view, type … it is about
    std::vector<qualified_name> relations;  ///< where it can name several (DROP, TRUNCATE, VACUUM, GRANT, queries)
    std::vector<qualified_name> reads;      ///< relations that it only reads
    std::vector<clause> clauses;
    std::vector<column> columns;          ///< of CREATE TABLE
    std::vector<constraint> constraints;  ///< of CREATE TABLE, CREATE DOMAIN and ALTER DOMAIN
    std::optional<ddl::index> made_index;
    std::vector<std::string> names;      ///< enum values, members of a publication, triggers or rules to be dropped; of
                                         ///< statistics the parts of their name
    std::vector<std::string> functions;  ///< called by a query, as in expression
    std::string name;                    ///< of the trigger, policy, setting, savepoint, enum value
    std::string value;  ///< of SET; the body of DO; the lock mode of LOCK; RESTART IDENTITY; ROW of a trigger
    std::vector<std::string> literals;  ///< strings in the statement: an enum value may be among them
    qualified_name partition_of;
    std::vector<qualified_name> inherits;
    std::vector<statement> inner;   ///< of DO and CREATE SCHEMA: what can be read of it
    std::vector<statement> writes;  ///< of a query: the INSERT, UPDATE, DELETE and MERGE in its WITH

    bool only = false;
    bool if_exists = false;
    bool if_not_exists = false;
    bool or_replace = false;
    bool cascade = false;
    bool concurrently = false;
    bool temporary = false;
    bool partitioned = false;
    bool default_partition = false;
    bool local = false;     ///< SET LOCAL
    bool full = false;      ///< VACUUM FULL
    bool filtered = false;  ///< has a WHERE
    bool limited = false;   ///< UPDATE or DELETE of a bounded batch
    bool pointed = false;   ///< UPDATE or DELETE of the rows that a key names
    bool with_data = true;
    bool all_tables = false;  ///< without a name: VACUUM, REINDEX DATABASE, FOR ALL TABLES
    bool nowait = false;

    int since = 0;            ///< the first version whose server accepts it, where it is newer than the parser; else 0
    std::string why;          ///< why it is not understood, or what of it is not
    std::string parse_error;  ///< the parser's message, when it rejects the text
    place error_at;           ///< where, if it says so
};

/// Understands one piece of a file. Never throws for what stands in it.
[[nodiscard]] statement understand(const piece& what);

/// Understands SQL text by itself: a clause's recipe, the literal of an EXECUTE.
[[nodiscard]] statement understand(const std::string& sql);

/// Name that the server gives to an index or constraint: table_column_suffix, cut to 63 bytes as it does.
[[nodiscard]] std::string made_name(const std::string& table, const std::vector<std::string>& columns,
                                    const std::string& suffix);

/// Name that the server gives to a constraint without one, where it is free. A CHECK is named after the one column that
/// it reads, if it reads one, also where it stands behind another (AddRelationNewConstraints()).
[[nodiscard]] std::string made_name(const std::string& table, const constraint& what);

}  // namespace pgeist::ddl
