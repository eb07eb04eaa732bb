#pragma once

#include <string>
#include <vector>

#include "static_parts.hpp"

namespace pgeist::probe::rules {

/// The relation that an ALTER is about. Work on a partitioned table is work on its partitions.
struct target {
    const question& asked;
    std::string relation;

    /// Tables with rows that the clause is about: partitions, and with `heirs` what inherits from the table.
    [[nodiscard]] std::vector<std::string> leaves(bool heirs = true) const;
    void scan(effect& into, bool heirs = true) const;
    void rewrite(effect& into) const;
    /// The index of a constraint: of a partitioned table those of its partitions, named by the server.
    void build(const ddl::constraint& made, effect& into) const;
};

/// Clauses about one column.
void add_column(const target& on, const ddl::clause& each, effect& into);
void drop_column(const target& on, const ddl::clause& each, effect& into);
void alter_type(const target& on, const ddl::clause& each, effect& into);
void set_expression(const target& on, const ddl::clause& each, effect& into);
void set_not_null(const target& on, const ddl::clause& each, effect& into);
void identity(const target& on, const ddl::clause& each, effect& into);

void attach(const target& on, const ddl::clause& each, effect& into);
void detach(const target& on, const ddl::clause& each, effect& into);

/// Clauses of ALTER INDEX, SEQUENCE, VIEW, MATERIALIZED VIEW, and of names that are no relations.
[[nodiscard]] effect clause_of_other(const target& on, const ddl::clause& each);

/// Whether all of the columns are NOT NULL, or proven to be by a CHECK.
[[nodiscard]] bool all_not_null(const schema& before, const std::string& relation,
                                const std::vector<std::string>& columns);

/// Whether USING does more than naming the column itself.
[[nodiscard]] bool is_conversion(const ddl::expression& value, const std::string& column);

}  // namespace pgeist::probe::rules
