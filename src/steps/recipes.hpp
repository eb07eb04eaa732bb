#pragma once

#include <optional>
#include <string>
#include <vector>

#include "facts.hpp"

/// How a part of a change is done by each method. A recipe leaves what the plain statement would.
namespace pgeist::steps {

struct recipe {
    method how = method::native;
    std::string why;
    std::vector<action> actions;
};

/// `ALTER TABLE [IF EXISTS] [ONLY] name `, as it was written.
[[nodiscard]] std::string head_of(const ddl::statement& what);
/// What a transaction locks first: everything that more than a writer's lock is taken on.
[[nodiscard]] std::vector<wanted_lock> locks_of(const probe::effect& does);
/// Whether somebody who reads or writes waits for it.
[[nodiscard]] bool keeps_waiting(const part& of);

/// The statement as it is.
[[nodiscard]] recipe plain(const part& of);
/// The way that keeps nobody waiting where the statement as it is would: nothing where only a copy does.
/// @throws pg::sql_error
[[nodiscard]] awaitable<std::optional<recipe>> gentle(pg::connection& session, const part& of, const facts& known);

/// The same, as far as it needs no server: all but a changed type, ATTACH PARTITION, and the foreign key of a
/// partitioned table before 18.
[[nodiscard]] std::optional<recipe> gentle_by_rules(const part& of, const facts& known);

// By kind; each is only asked for what it is named after.
[[nodiscard]] std::optional<recipe> add_check(const part& of, const ddl::clause& each);
[[nodiscard]] std::optional<recipe> add_foreign_key(const part& of, const ddl::clause& each, const facts& known);
/// Of a partitioned table, before PostgreSQL 18: partition by partition. `name`: see name_for().
[[nodiscard]] std::optional<recipe> add_foreign_key_to_partitions(const part& of, const ddl::clause& each,
                                                                  const std::string& name);
/// A constraint that comes in the place of one of the same name, which holds until the new one is validated, or built.
/// Both are clauses of one statement.
[[nodiscard]] std::optional<recipe> replace_constraint(const part& of, const ddl::clause& dropped,
                                                       const ddl::clause& added, const facts& known);
/// Whether one clause of a statement drops a constraint, and the other adds one that has its name then.
[[nodiscard]] bool is_replaced_by(const ddl::statement& of, const ddl::clause& dropped, const ddl::clause& added);
[[nodiscard]] std::optional<recipe> set_not_null(const part& of, const ddl::clause& each, const facts& known);
[[nodiscard]] std::optional<recipe> add_unique(const part& of, const ddl::clause& each, const facts& known);
[[nodiscard]] std::optional<recipe> add_column(const part& of, const ddl::clause& each, const facts& known);
[[nodiscard]] std::optional<recipe> create_index(const part& of);
/// The name that a foreign key has, or that the server would give it now.
[[nodiscard]] awaitable<std::string> name_for(pg::connection& session, const part& of, const ddl::constraint& what);
[[nodiscard]] awaitable<std::optional<recipe>> alter_type(pg::connection& session, const part& of,
                                                          const ddl::clause& each);

/// How a partition's bound is proven: what is asked of the server.
struct partition_proof {
    std::string condition;          ///< that rows of such a partition satisfy
    std::string default_partition;  ///< which must have none of them; empty: there is none
};
[[nodiscard]] recipe attached(const part& of, const ddl::clause& each, const partition_proof& by);
[[nodiscard]] awaitable<std::optional<recipe>> attach_partition(pg::connection& session, const part& of,
                                                                const ddl::clause& each);

/// A transaction of its own, bounded by --max-block.
[[nodiscard]] action transaction_of(std::string label, std::vector<std::string> statements,
                                    std::vector<wanted_lock> locks);
/// VALIDATE CONSTRAINT: keeps nobody waiting.
[[nodiscard]] action validation_of(const part& of, std::string constraint);
/// The helper by which existing rows are proven to have a value, before 18 a CHECK: made, and validated.
[[nodiscard]] std::vector<action> prove_not_null(const part& of, const std::string& column, const facts& known);
/// The name of that CHECK.
[[nodiscard]] std::string helper_name(const std::string& column);

}  // namespace pgeist::steps
