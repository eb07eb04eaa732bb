#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/plan/blueprint.hpp"

/// SQL that makes again what a description says. Pure: no connection, one function for each kind of thing.
namespace pgeist::shadow {

using statements = std::vector<plan::statement>;

/// CREATE TABLE `target` with the columns, defaults and storage of `source`; no identity, no checks, no index.
[[nodiscard]] plan::statement create_table(const catalog::table& source, const qualified_name& target);
/// The dimensions that array columns were declared with; LIKE forgets them.
[[nodiscard]] statements declared_dimensions(const catalog::table& source, const qualified_name& target);
/// What else LIKE leaves out: statistics targets, options, comments on the table and its row type.
[[nodiscard]] statements column_details(const catalog::table& source, const qualified_name& target);
/// Checks and not-null constraints of `source` that `found` (what LIKE made of them) lacks or has otherwise.
[[nodiscard]] statements constraint_corrections(const catalog::table& source, const catalog::table& found,
                                                const qualified_name& target);
/// The identity of a column, with a sequence of the same name and options in the target's schema.
[[nodiscard]] statements add_identity(const catalog::table& source, const catalog::sequence& from,
                                      const qualified_name& target);

/// CREATE INDEX alone, to be read where its operators are found (see with_operators()).
[[nodiscard]] std::string create_index(const catalog::table& of, const catalog::index& each,
                                       const qualified_name& target);
/// The index `each` of the table `of`, to be made on `target`: definition, constraint, comments, marks.
[[nodiscard]] plan::index rebuild_index(const catalog::table& of, const catalog::index& each,
                                        const qualified_name& target);
/// Drops index `each` of `target`, or the constraint that it belongs to.
[[nodiscard]] plan::statement drop_index(const catalog::table& of, const catalog::index& each,
                                         const qualified_name& target);

/// ADD CONSTRAINT … FOREIGN KEY on `table`, with its comment and the state of its triggers. `validated` false adds it
/// NOT VALID.
[[nodiscard]] statements add_foreign_key(const catalog::foreign_key& key, const qualified_name& table,
                                         const qualified_name& referenced, bool validated);

/// Trigger `each` of the table `of`, made on `target`, with its state and comment.
[[nodiscard]] statements create_trigger(const catalog::table& of, const catalog::trigger& each,
                                        const qualified_name& target);

/// Rule `each` of the table `of`, made on `target`, with its state and comment.
[[nodiscard]] statements create_rule(const catalog::table& of, const catalog::rule& each, const qualified_name& target);
/// The letters of pg_trigger.tgenabled and pg_rewrite.ev_enabled: ENABLE, DISABLE, ENABLE ALWAYS …
[[nodiscard]] std::string state_sql(char enabled);

/// `"fillfactor" = '70', …`: the parameters of pg_class.reloptions as SQL.
[[nodiscard]] std::string option_list(const std::vector<std::string>& options);

/// ` WITH (…)` with the storage parameters of a table or materialized view and of its TOAST table; empty: none.
[[nodiscard]] std::string storage_parameters(const catalog::table& source);

/// CREATE POLICY with its comment. Where its expressions read the table `of` itself, they read `target` instead.
[[nodiscard]] statements create_policy(const catalog::table& of, const catalog::policy& each,
                                       const qualified_name& target);
/// SECURITY LABEL on the table and its columns.
[[nodiscard]] statements security_labels(const catalog::table& of, const qualified_name& target);

/// ENABLE and FORCE ROW LEVEL SECURITY as `of` has them.
[[nodiscard]] statements row_security(const catalog::table& of, const qualified_name& target);

/// Extended statistics `each` of the table `of`, made on `target` and in its schema.
[[nodiscard]] statements create_statistics(const catalog::table& of, const catalog::statistics& each,
                                           const qualified_name& target);

/// Check or not-null constraint with its comment.
[[nodiscard]] statements add_constraint(const catalog::constraint& each, const qualified_name& target);

/// An empty table `name` with what `parent` hands down to its children. `as` tells how the source is its child.
/// Foreign keys are left out.
[[nodiscard]] statements create_parent(const catalog::table& parent, const catalog::parent& as,
                                       const qualified_name& name, int server_major);
/// ATTACH PARTITION or INHERIT: makes `child` what `as` describes, with `parent` in the parent's place.
[[nodiscard]] plan::statement join_parent(const catalog::parent& as, const qualified_name& parent,
                                          const qualified_name& child);
/// DETACH PARTITION or NO INHERIT.
[[nodiscard]] plan::statement leave_parent(const catalog::parent& as, const qualified_name& parent,
                                           const qualified_name& child);
/// What a table has of its own in what its parents handed down, made on `target` once it has joined them: states and
/// comments of the clones of the parent's triggers, and NOT NULL that is its own as well.
[[nodiscard]] statements own_share(const catalog::table& of, const qualified_name& target);

/// CREATE TABLE `target` as create_table() does, for a table that inherits from others: columns and constraints that
/// are not its own come from the table `mold`, made for that purpose and to be left when the parents are joined.
[[nodiscard]] statements create_heir(const catalog::table& source, const qualified_name& mold,
                                     const qualified_name& target);
/// What create_heir() leaves out of what LIKE gives: the table's own constraints, comments.
[[nodiscard]] statements heir_details(const catalog::table& source, const catalog::table& found,
                                      const qualified_name& target);
/// ` USING heap WITH (…) TABLESPACE …` of CREATE TABLE.
[[nodiscard]] std::string storage_clauses(const catalog::table& source);

/// `COMMENT ON object IS …`.
[[nodiscard]] plan::statement comment_on(const std::string& object, const std::string& text);

/// `sql`, run where the operators of an expression in it are found (see catalog::operator_schemas).
[[nodiscard]] std::string with_operators(const catalog::operator_schemas& schemas, std::string sql);

/// What turns the rights `found` on an object into `wanted`. `object` is `TABLE x`, `SEQUENCE x` or `TYPE x`; `column`,
/// if not empty, is one of the table's. Rights of `owner` are taken away only if `owners_too`: without them nobody
/// could fill the table. What was granted by somebody else than the owner is granted as that role again.
[[nodiscard]] statements change_rights(const std::string& object, const std::string& column,
                                       const catalog::access_list& wanted, const catalog::access_list& found,
                                       const std::string& owner, bool owners_too);

/// What gives a newly made object the rights `wanted`, whatever default privileges gave it. `strangers`: the roles that
/// default privileges name; `implied`: what an object of `owner` has without them.
[[nodiscard]] statements rights_of_new(const std::string& object, const catalog::access_list& wanted,
                                       const catalog::access_list& implied, const std::string& owner,
                                       const std::vector<std::string>& strangers);

}  // namespace pgeist::shadow
