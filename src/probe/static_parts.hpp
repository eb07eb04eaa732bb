#pragma once

#include "pgeist/probe/static_effects.hpp"

/// The parts of static_effect(), by kind of statement. Each fills in what it knows of.
namespace pgeist::probe::rules {

struct question {
    const ddl::statement& what;
    const schema& before;
    server_version version;
};

void alter(const question& asked, static_answer& into);
void create(const question& asked, effect& into);
void drop(const question& asked, effect& into);
void maintain(const question& asked, effect& into);
void query(const question& asked, effect& into);
void types(const question& asked, effect& into);

/// ADD CONSTRAINT, also where it stands behind a new column. `filled`: whether rows can violate it.
void add_constraint(const question& asked, const std::string& table, const ddl::constraint& made, effect& into);
/// Locks a relation and everything below it, as DDL on a partitioned table does; with `heirs` also what inherits from
/// it.
void lock_tree(const question& asked, const std::string& relation, lock_mode mode, effect& into, bool heirs = false);
/// What has rows among these: partitioned tables have none, unless nothing is known of their partitions.
[[nodiscard]] std::vector<std::string> with_rows(const schema& before, std::vector<std::string> relations);
/// Views over the relation that go with a CASCADE. What they use of it is not known.
void lock_views(const question& asked, const std::string& relation, std::string_view why, effect& into);

void fail(effect& into, std::string sqlstate, std::string message, std::string detail = {});
void assume(effect& into, std::string what);

}  // namespace pgeist::probe::rules
