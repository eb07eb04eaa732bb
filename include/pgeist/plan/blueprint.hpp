#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/session_profile.hpp"
#include "pgeist/pg/statement.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/plan/swap_plan.hpp"
#include "pgeist/sql/index.hpp"
#include "pgeist/transfer/spec.hpp"

namespace pgeist::plan {

using pg::statement;
using sql::index;
using sql::meaning;
using transfer::column;
using walk::key;
using walk::key_column;

/// Everything the phases after "prepare" need to know, and all of it: stored with the job, so that a run is resumed
/// from any host. rewrite::make_blueprint() writes it once, inside the transaction that creates the shadow.
struct blueprint {
    static constexpr int current_version = 3;
    static constexpr int first_version = 2;  ///< that is still read
    int version = current_version;

    qualified_name table;  ///< the source, with its schema
    std::int64_t source_oid = 0;
    std::int64_t shadow_oid = 0;
    std::string job_schema;  ///< pgeist_<job>: shadow, log, trigger functions; after the swap the old table
    std::string
        passage_schema;  ///< pgeist_<job>_old: empty but within the swap, when two tables of one name change places
    bool row_triggers =
        false;  ///< statement triggers would not fire for every change, or keep too much (needs_row_capture())
    std::string fingerprint;                     ///< of the source's definition when the shadow was made
    std::vector<std::string> fingerprint_parts;  ///< what it is made of, to tell what changed
    pg::session_profile profile;  ///< of every session of the job; empty in a plan that an earlier version made
    std::optional<std::string>
        clustered_on;  ///< the source's index with CLUSTER's mark then; empty: none had it; null: not known

    /// SHA-256 of what a session shows that may write into the table that was replaced; empty: nobody may.
    std::string pass_digest;

    plan::key key;
    bool heap_order =
        false;  ///< copied in the order of the source's file instead of the key's: see walk/heap_order.hpp
    std::vector<transfer::order_term> order;  ///< in which the rows are to lie; empty: any
    std::string order_text;                   ///< the same for people
    std::vector<std::string> ordered_by;      ///< the columns of that order; empty text: an expression
    std::optional<double> correlation;  ///< of the first of them with the rows' places when it was planned, if known
    std::vector<column> columns;        ///< in the shadow's order, dropped ones left out

    index key_index;                      ///< built first; the replay finds rows by it
    bool key_index_is_temporary = false;  ///< no index of the target schema serves; dropped before the swap
    std::vector<index> indexes;           ///< all others

    /// What catalog::definition_in_swap() must find after the swap, one line each; what is only validated later is left
    /// out.
    std::vector<std::string> expected;

    /// Conditions that must be true after the exchange: what was read again from text uses the operators that it used
    /// when that was tried. The label names the object.
    std::vector<statement> same_operators;

    /// Queries on the filled shadow that must return no row before the swap: rows that violate a new foreign key, by
    /// their key. The label names the constraint.
    std::vector<statement> violations;
    /// The same for keys that refer to another table of the group: to be asked where both shadows are as of one moment.
    std::vector<statement> violations_between;

    /// What the swap does, and the time before and after it; without what every swap does: swap::all_steps().
    swap_plan swap;

    std::int64_t estimated_rows = 0;
    std::int64_t table_bytes = 0;  ///< heap and TOAST
    std::int64_t index_bytes = 0;

    /// The shadow while it is being filled: `job_schema`.`table.name`.
    [[nodiscard]] qualified_name shadow() const { return {job_schema, table.name}; }

    /// The rows' way from the source to the shadow.
    [[nodiscard]] transfer::spec transfer() const;
};

/// CREATE VIEW that has the server read an index's text without evaluating any of it.
[[nodiscard]] std::string probe_sql(const qualified_name& view, const qualified_name& table, const meaning& of);

[[nodiscard]] std::string to_json(const blueprint& value);
/// @throws error when the text is no blueprint of a version this program knows.
[[nodiscard]] blueprint blueprint_from_json(const std::string& text);

/// A transfer beside the blueprint's own: a way back.
[[nodiscard]] std::string to_json(const transfer::spec& value);
/// @throws error when the text is no transfer
[[nodiscard]] transfer::spec transfer_from_json(const std::string& text);

[[nodiscard]] std::string to_json(const change_request& value);
[[nodiscard]] change_request change_request_from_json(const std::string& text);

}  // namespace pgeist::plan
