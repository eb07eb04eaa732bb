#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"

namespace pgeist::catalog {

/// One granted right, as aclexplode() shows it. `grantee` is empty for PUBLIC.
struct grant {
    std::string grantor;
    std::string grantee;
    std::string privilege;
    bool grantable = false;
};

/// The rights on an object. `is_default`: the catalog holds NULL; `grants` are then what NULL means for that kind of
/// object.
struct access_list {
    bool is_default = true;
    std::vector<grant> grants;
};

/// Schemas other than pg_catalog whose operators an expression uses, quoted. The server prints `IS DISTINCT FROM`,
/// NULLIF and CASE without the operator in them, which is found again only with its schema in the search_path.
using operator_schemas = std::vector<std::string>;

/// A sequence that belongs to a column, or that a column's default draws from.
struct sequence {
    std::int64_t oid = 0;
    qualified_name name;
    int column = 0;         ///< attnum of the owning column
    bool identity = false;  ///< made by GENERATED … AS IDENTITY; false: OWNED BY, as serial does
    std::string type;       ///< smallint, integer, bigint
    std::int64_t start = 1;
    std::int64_t increment = 1;
    std::int64_t minimum = 1;
    std::int64_t maximum = 0;
    std::int64_t cache = 1;
    bool cycle = false;
    access_list acl;
    std::optional<std::string> comment;
};

struct column {
    int attnum = 0;
    std::string name;
    std::string type;  ///< as format_type prints it with search_path = pg_catalog
    std::int64_t type_oid = 0;
    std::string collation;  ///< qualified and quoted; empty when it is the type's own, or the type has none
    bool not_null = false;
    std::optional<std::string> default_expression;  ///< also the expression of a generated column
    bool default_is_volatile = false;
    char identity = 0;   ///< 'a' always, 'd' by default, 0 none
    char generated = 0;  ///< 's' stored, 'v' virtual, 0 none
    int dimensions = 0;  ///< as declared: 2 for int[][]
    char storage = 'p';
    char compression = 0;              ///< 'p' pglz, 'l' lz4, 0 the server's default
    std::optional<int> statistics;     ///< unset: the server's default
    std::vector<std::string> options;  ///< those that ALTER … SET (…) can set
    access_list acl;
    std::optional<std::string> comment;
    std::optional<std::string> missing_value;  ///< text of attmissingval: what rows without the column show
    bool local = true;                         ///< attislocal: the table's own, whatever parents have
    int inherited = 0;                         ///< attinhcount: the number of parents that have it
};

/// A column or expression of an index, in index order.
struct index_column {
    int attnum = 0;  ///< 0: an expression
    bool included = false;
    bool descending = false;
    std::string collation;  ///< qualified and quoted; empty when there is none
    std::int64_t operator_family = 0;
    std::int64_t input_type = 0;  ///< the operator class's type
    std::optional<int> statistics;
};

struct index {
    std::int64_t oid = 0;
    std::string name;
    std::string definition;  ///< pg_get_indexdef
    std::optional<std::string> predicate;
    catalog::operator_schemas operator_schemas;
    std::vector<std::string> operators;  ///< used_operators::oids
    std::string method;
    std::vector<std::string> options;     ///< storage parameters, `name=value`
    std::vector<std::string> extensions;  ///< it DEPENDS ON
    std::string tablespace;               ///< empty: the database's default
    std::vector<index_column> columns;
    bool unique = false;
    bool primary = false;
    bool exclusion = false;
    bool immediate = true;  ///< false for a deferrable constraint
    bool valid = true;
    bool clustered = false;
    bool replica_identity = false;
    std::int64_t bytes = 0;
    std::int64_t rows = 0;  ///< estimate; 0 also when unknown
    std::optional<std::string> comment;
    std::string parent_index;  ///< of the partitioned parent, that this one is attached to; empty: none
};

/// CHECK, NOT NULL (servers from 18 on), PRIMARY KEY, UNIQUE and EXCLUDE; foreign keys have their own type.
struct constraint {
    std::int64_t oid = 0;
    std::string name;
    char type = 'c';         ///< as pg_constraint.contype: c n p u x
    std::string definition;  ///< pg_get_constraintdef
    bool validated = true;
    catalog::operator_schemas operator_schemas;
    std::vector<std::string> operators;  ///< used_operators::oids
    bool enforced = true;
    bool deferrable = false;
    bool deferred = false;
    bool period = false;            ///< WITHOUT OVERLAPS
    bool recheck_disabled = false;  ///< the trigger that checks it when deferred is not in its usual state
    bool local = true;
    int inherited = 0;  ///< coninhcount
    std::string index;  ///< name of its index; empty for c and n
    std::vector<int> columns;
    std::optional<std::string> comment;
};

/// A foreign key from `table` to `referenced`. Columns by name, in key order.
struct foreign_key {
    std::int64_t oid = 0;
    std::string name;
    std::int64_t table_oid = 0;
    qualified_name table;
    std::vector<std::string> columns;
    std::int64_t referenced_oid = 0;
    qualified_name referenced;
    std::vector<std::string> referenced_columns;
    std::vector<std::string> operators;   ///< `OPERATOR(pg_catalog.=)`: referenced column on the left, own on the right
    std::vector<std::string> collations;  ///< that they compare with, qualified and quoted; empty: the columns' own
    std::string referenced_index;
    bool of_primary_key = false;  ///< refers to the primary key's columns in their order, and is bound to its index
    char match = 's';
    char on_update = 'a';
    char on_delete = 'a';
    std::vector<std::string> delete_set_columns;  ///< of ON DELETE SET NULL (…)
    bool deferrable = false;
    bool deferred = false;
    bool validated = true;
    bool enforced = true;
    bool period = false;
    std::optional<std::string> comment;
    char table_kind = 'r';                    ///< relkind of `table`
    char referenced_kind = 'r';               ///< relkind of `referenced`
    std::vector<std::string> trigger_states;  ///< of its own triggers, where not O: `RI_FKey_check_ins=D`

    [[nodiscard]] bool self_reference() const { return table_oid == referenced_oid; }
};

struct trigger {
    std::int64_t oid = 0;
    std::string name;
    std::string definition;  ///< pg_get_triggerdef
    catalog::operator_schemas operator_schemas;
    std::vector<std::string> operators;   ///< used_operators::oids
    char enabled = 'O';                   ///< O origin, D disabled, R replica, A always
    std::vector<std::string> extensions;  ///< it DEPENDS ON
    std::optional<std::string> comment;
    std::optional<std::string> constraint_comment;  ///< of a constraint trigger's constraint
};

/// A trigger that the partitioned parent has and that was cloned for the partition (tgparentid).
struct inherited_trigger {
    std::string name;
    char enabled = 'O';         ///< here
    char parent_enabled = 'O';  ///< as it is cloned
    std::optional<std::string> comment;
};

/// A table that this one is a partition of or inherits from.
struct parent {
    std::int64_t oid = 0;
    qualified_name name;
    bool partitioned = false;
    bool owned = true;                 ///< the current role may attach and detach tables
    bool foreign = false;              ///< a foreign table
    bool detaching = false;            ///< a DETACH … CONCURRENTLY was begun
    std::string partition_key;         ///< pg_get_partkeydef of the parent
    std::string bound;                 ///< of this table in it: FOR VALUES …, or DEFAULT
    std::string constraint;            ///< pg_get_partition_constraintdef of this table: with the ancestors' bounds
    qualified_name default_partition;  ///< another partition, which is the parent's DEFAULT; empty: none
    std::int64_t default_oid = 0;
    char default_kind = 'r';
    bool default_owned = true;
};

/// A row level security policy.
struct policy {
    std::string name;
    char command = '*';  ///< as pg_policy.polcmd: * all, r select, a insert, w update, d delete
    bool permissive = true;
    std::vector<std::string> roles;  ///< empty: PUBLIC
    std::optional<std::string> using_expression;
    std::optional<std::string> check_expression;
    catalog::operator_schemas operator_schemas;
    std::vector<std::string> operators;  ///< see used_operators
    std::optional<std::string> comment;
};

/// A rewrite rule of the table.
struct rule {
    std::string name;
    std::string definition;  ///< pg_get_ruledef
    catalog::operator_schemas operator_schemas;
    std::vector<std::string> operators;  ///< see used_operators
    char enabled = 'O';                  ///< O origin, D disabled, R replica, A always
    std::optional<std::string> comment;
};

/// A label that a provider has given to the table or to one of its columns.
struct security_label {
    std::string provider;
    std::string label;
    std::string column;  ///< empty: the table itself
};

/// An extended statistics object. It has a schema of its own.
struct statistics {
    std::int64_t oid = 0;
    qualified_name name;
    std::string printed_name;  ///< as the server prints it in the definition
    std::string definition;    ///< pg_get_statisticsobjdef
    catalog::operator_schemas operator_schemas;
    std::vector<std::string> operators;  ///< used_operators::oids
    std::string owner;
    std::optional<int> target;
    std::optional<std::string> comment;
};

/// The table's place in a publication that names it: as one that it publishes, or as one that it leaves out.
struct publication {
    std::string name;
    std::vector<std::string> columns;  ///< empty: all
    std::optional<std::string> filter;
    bool excludes = false;               ///< FOR ALL TABLES EXCEPT (TABLE …)
    std::vector<std::string> exclusion;  ///< then: the other tables left out, as SQL names
    bool all_sequences = false;          ///< then: it is FOR ALL SEQUENCES too
    bool owned = true;                   ///< the current role may change the publication
};

/// An object that hangs on the table by its OID and is led to the new table in the swap.
struct bound_object {
    std::string kind;  ///< view, rule, function, procedure, policy, default value, trigger
    std::int64_t oid = 0;
    std::string name;  ///< as pg_describe_object prints it
};

/// An object that hangs on the table by its OID and cannot be carried to another table.
struct dependent {
    std::string kind;    ///< "view", "policy", "publication" …
    std::string name;    ///< as pg_describe_object prints it
    std::string reason;  ///< why it cannot be carried
};

/// What a relation name leads to, read without any lock on it.
struct relation {
    std::int64_t oid = 0;
    qualified_name name;
    char kind = 'r';         ///< relkind
    char persistence = 'p';  ///< p permanent, u unlogged, t temporary
};

/// A table as the catalogs describe it. Read by read_table(); pure data.
struct table {
    std::int64_t oid = 0;
    qualified_name name;
    std::string printed_name;  ///< as the server prints it in definitions: `public."Orders"`
    std::string fingerprint;   ///< taken before everything else was read
    char kind = 'r';
    char persistence = 'p';
    std::string owner;
    std::string access_method;
    std::string tablespace;                  ///< empty: the database's default
    std::vector<std::string> options;        ///< storage parameters, `name=value`
    std::vector<std::string> toast_options;  ///< of the TOAST table, without the prefix `toast.`
    bool has_toast_table = false;
    bool is_partition = false;
    std::string parents;           ///< the tables it inherits from or is a partition of, for messages; empty: none
    std::vector<parent> inherits;  ///< the same, in order of inhseqno
    bool has_children = false;     ///< other tables inherit from it
    bool row_security = false;
    bool force_row_security = false;
    char replica_identity = 'd';  ///< d default, n nothing, f full, i index
    std::int64_t of_type = 0;     ///< CREATE TABLE … OF
    std::string extension;        ///< the extension it belongs to; empty for none
    access_list acl;
    std::optional<std::string> comment;
    std::string array_type;  ///< name of the type of its rows' arrays, in the table's schema
    access_list type_acl;    ///< of its row type
    std::optional<std::string> type_comment;

    std::vector<column> columns;  ///< in attnum order, dropped ones left out
    std::vector<index> indexes;
    std::vector<constraint> constraints;
    std::vector<foreign_key> foreign_keys;            ///< of this table, self-references included
    std::vector<foreign_key> referenced_by;           ///< of other tables
    std::vector<foreign_key> inherited_foreign_keys;  ///< of a partitioned parent, which this table has too
    std::vector<foreign_key>
        ancestors_referenced_by;    ///< those that refer to a partitioned ancestor, and so to its rows
    std::vector<trigger> triggers;  ///< the user's
    std::vector<inherited_trigger> inherited_triggers;
    std::vector<std::string> pgeist_triggers;  ///< of a pgeist job, with the job's schema: `pgeist_7`
    std::vector<sequence> sequences;           ///< identity and owned
    std::vector<policy> policies;
    std::vector<statistics> extended_statistics;
    std::vector<publication> publications;  ///< those that name the table
    std::vector<rule> rules;
    std::vector<security_label> security_labels;
    std::vector<bound_object> bound;    ///< objects elsewhere that refer to the table
    std::vector<dependent> dependents;  ///< what cannot be carried

    std::int64_t estimated_rows = 0;
    std::int64_t table_bytes = 0;  ///< heap and TOAST
    std::int64_t index_bytes = 0;

    /// Inherits from tables that are not partitioned.
    [[nodiscard]] bool inherits_columns() const { return !is_partition && !inherits.empty(); }

    [[nodiscard]] const column* find_column(const std::string& column_name) const;
    [[nodiscard]] const column* find_column(int attnum) const;
    [[nodiscard]] const index* find_index(const std::string& index_name) const;
    [[nodiscard]] const constraint* find_constraint(const std::string& constraint_name) const;
};

}  // namespace pgeist::catalog
