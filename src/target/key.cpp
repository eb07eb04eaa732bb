#include <algorithm>

#include <fmt/format.h>

#include "binding.hpp"
#include "key_choice.hpp"
#include "pgeist/catalog/walkable.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/sql/index.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

// Strategies 1 to 5 of a btree family are < <= = >= >. Equality is hashed consistently if a hash family knows it, and
// with a seed, as replay does it, if that family has function 2 (which contrib/isn's have not, for one).
constexpr const char* operators_sql = R"(
    SELECT format('OPERATOR(%s.%s)', quote_ident(n.nspname), o.oprname) AS operator,
           EXISTS (SELECT FROM pg_amop h JOIN pg_am m ON m.oid = h.amopmethod AND m.amname = 'hash'
                    WHERE h.amopopr = a.amopopr
                      AND EXISTS (SELECT FROM pg_amproc p
                                   WHERE p.amprocfamily = h.amopfamily AND p.amproclefttype = h.amoplefttype
                                     AND p.amprocrighttype = h.amoprighttype AND p.amprocnum = 2)) AS hashable
      FROM pg_amop a JOIN pg_operator o ON o.oid = a.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
     WHERE a.amopfamily = $1 AND a.amoplefttype = $2 AND a.amoprighttype = $2 AND a.amoppurpose = 's'
     ORDER BY a.amopstrategy)";

struct operators {
    std::vector<std::string> by_strategy;  ///< from 0
    bool hashable = false;
};

constexpr std::size_t less = 0;
constexpr std::size_t less_equal = 1;
constexpr std::size_t equal = 2;
constexpr std::size_t greater_equal = 3;
constexpr std::size_t greater = 4;

awaitable<operators> read_operators(pg::connection& conn, const catalog::table& of, std::int64_t family,
                                    std::int64_t type) {
    const auto rows = co_await conn.query(operators_sql, family, type);
    operators found;
    for (int row = 0; row < rows.rows(); ++row) {
        found.by_strategy.push_back(rows.text(row, "operator"));
    }
    if (found.by_strategy.size() != greater + 1) {
        throw error(exit_code::refused,
                    fmt::format("the key of {} has an operator family that lacks operators", of.name.display()));
    }
    found.hashable = rows.boolean(equal, "hashable");
    co_return found;
}

/// One column of the key, `write_name` being the shadow's column that compares with it.
awaitable<plan::key_column> plan_key_column(pg::connection& conn, const catalog::table& of,
                                            const catalog::index_column& walked, std::string write_name,
                                            plan::key& into) {
    const auto* source = of.find_column(walked.attnum);
    const operators found = co_await read_operators(conn, of, walked.operator_family, walked.input_type);
    plan::key_column column;
    column.read_name = source->name;
    column.write_name = std::move(write_name);
    column.type = source->type;
    column.collation = walked.collation;
    column.less = found.by_strategy[less];
    column.less_equal = found.by_strategy[less_equal];
    column.equal = found.by_strategy[equal];
    column.greater_equal = found.by_strategy[greater_equal];
    column.greater = found.by_strategy[greater];
    column.descending = walked.descending;
    into.hashable = into.hashable && found.hashable;
    co_return column;
}

/// Gives the shadow columns with the source's key, for the time of the run. They go in the swap; what is left of them
/// is a dropped attribute and its bytes in the rows, until the table is next rewritten.
awaitable<void> carry_key(build_context& at, std::vector<catalog::index_column> walked, plan::blueprint& into) {
    for (std::size_t place = 0; place < walked.size(); ++place) {
        const auto* source = at.source.find_column(walked[place].attnum);
        plan::column column;
        column.name = fmt::format("pgeist_key_{}", place + 1);
        column.type = source->type;
        column.read_name = source->name;
        column.expression = quote_identifier(source->name);
        column.conversion = "the old key, kept until the swap";
        const std::string& collation = walked[place].collation;
        const std::string name = quote_identifier(column.name);
        std::string add = fmt::format("ALTER TABLE {} ADD COLUMN {} {}", at.shadow.sql(), name, column.type);
        if (!collation.empty()) {
            add += " COLLATE " + collation;
        }
        add += " NOT NULL";
        co_await at.conn.execute(std::move(add));
        plan::statement drop;
        drop.label = "drop the old key's column";
        drop.sql = fmt::format("ALTER TABLE {} DROP COLUMN {}", at.shadow.sql(), name);
        into.swap.add(plan::stage::detach, std::move(drop));
        into.columns.push_back(std::move(column));
    }
}

/// A unique index over the key in the shadow, dropped again before the swap. Its collations are the source's: which
/// keys are equal must not change on the way.
plan::index temporary_index(const build_context& at, const plan::key& key) {
    std::vector<std::string> parts;
    for (const auto& column : key.columns) {
        parts.push_back(quote_identifier(column.write_name) +
                        (column.collation.empty() ? "" : " COLLATE " + column.collation));
    }
    plan::index made;
    made.name = "pgeist_key";
    made.create_sql =
        fmt::format("CREATE UNIQUE INDEX pgeist_key ON {} USING btree ({})", at.shadow.sql(), join(parts, ", "));
    return made;
}

/// How long a build takes, as far as that can be known: rows to be sorted, by columns, of which text that is compared
/// by a collation's rules takes several times as long as numbers. Its size would tell less: equal keys share their
/// place.
std::int64_t build_cost(const catalog::index& each, std::int64_t rows) {
    constexpr std::int64_t of_collated = 4;
    constexpr std::int64_t of_other_methods = 10;  // gin, gist …
    std::int64_t cost = 1;
    for (const auto& column : catalog::key_columns(each)) {
        const bool by_bytes = column.collation.empty() || column.collation == R"(pg_catalog."C")";
        cost += by_bytes ? 1 : of_collated;
    }
    return rows * (each.method == "btree" ? cost : of_other_methods);
}

/// Of the source's counterpart, or of the table where there is none.
void estimate_build(const build_context& at, const catalog::index& each, plan::index& into) {
    const auto* counterpart = at.source.find_index(each.name);
    into.source_bytes = counterpart != nullptr ? counterpart->bytes : 0;
    into.build_cost = build_cost(each, counterpart != nullptr ? counterpart->rows : at.source.estimated_rows);
}

/// Whether attaching the table could take one for the other.
bool are_equal(const catalog::index& a, const catalog::index& b) {
    return a.method == b.method && a.unique == b.unique && a.predicate.has_value() == b.predicate.has_value() &&
           std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                      [](const catalog::index_column& x, const catalog::index_column& y) {
                          return x.attnum == y.attnum && x.collation == y.collation &&
                                 x.operator_family == y.operator_family;
                      });
}

/// Attaching the table takes the oldest of the indexes that serve a parent's: one that is not to be taken must be built
/// when the other is there.
bool comes_later(const catalog::table& after, const catalog::index& each) {
    return each.parent_index.empty() &&
           std::any_of(after.indexes.begin(), after.indexes.end(), [&](const catalog::index& other) {
               return !other.parent_index.empty() && are_equal(other, each);
           });
}

/// Those first that take longest, but those to which foreign keys are bound before all others, and what competes with
/// them last.
void plan_other_indexes(const build_context& at, const catalog::table& after, const catalog::index* key_index,
                        plan::blueprint& into) {
    for (const auto* each : in_binding_order(after)) {
        if (each != key_index) {
            plan::index made = rebuild_index(after, *each, at.shadow);
            estimate_build(at, *each, made);
            made.exclusive = made.exclusive || must_be_younger(after, *each) || comes_later(after, *each) ||
                             (key_index != nullptr && are_equal(*each, *key_index));
            into.indexes.push_back(std::move(made));
        }
    }
    const auto others = std::find_if(into.indexes.begin(), into.indexes.end(), [&](const plan::index& made) {
        return !is_bound(after, *after.find_index(made.name));
    });
    std::stable_sort(others, into.indexes.end(),
                     [](const plan::index& a, const plan::index& b) { return a.build_cost > b.build_cost; });
}

/// Whether the server lets the key's index be the shadow's identity.
bool can_identify(const catalog::table& after, const catalog::index* found_by, const plan::key& key) {
    const auto is_never_null = [&](const plan::key_column& column) {
        const auto* found = after.find_column(column.write_name);
        return found != nullptr && catalog::is_never_null(after, found->attnum);
    };
    return key.carried || ((found_by == nullptr || found_by->immediate) &&
                           std::all_of(key.columns.begin(), key.columns.end(), is_never_null));
}

/// Where a publication takes in all tables, the server refuses to delete from one without an identity. Until the swap
/// that is the key by which replay finds rows; the new table's own may be an index that is still to be built, or none.
void plan_identity(const build_context& at, const catalog::table& after, const catalog::index* found_by,
                   plan::blueprint& into) {
    const std::string label = "replica identity";
    const std::string alter = fmt::format("ALTER TABLE {} REPLICA IDENTITY ", at.shadow.sql());
    const bool is_own = found_by != nullptr && found_by->immediate &&
                        (found_by->replica_identity || (found_by->primary && after.replica_identity == 'd'));
    if (after.replica_identity != 'f' && !is_own) {
        const bool by_index = can_identify(after, found_by, into.key);
        into.key_index.after.push_back(
            {label, alter + (by_index ? "USING INDEX " + quote_identifier(into.key_index.name) : "FULL")});
    }
    if (after.replica_identity == 'd' && !is_own) {
        into.swap.add(plan::stage::detach, {label, alter + "DEFAULT"});
    } else if (after.replica_identity == 'n') {
        into.swap.add(plan::stage::detach, {label, alter + "NOTHING"});
    }
}

}  // namespace

awaitable<plan::key> key_of_index(pg::connection& conn, const catalog::table& of, const catalog::index& walked) {
    plan::key key;
    key.index = walked.name;
    for (const auto& each : catalog::key_columns(walked)) {
        std::string name = of.find_column(each.attnum)->name;
        auto column = co_await plan_key_column(conn, of, each, std::move(name), key);
        key.columns.push_back(std::move(column));
    }
    co_return key;
}

awaitable<void> plan_key_and_indexes(build_context& at, const catalog::table& after, plan::blueprint& into) {
    const catalog::index* chosen = co_await choose_walked_index(at, after);
    const catalog::index& walked = *chosen;
    std::vector<catalog::index_column> walked_columns;
    std::vector<int> mapped;
    for (const auto& column : walked.columns) {
        if (!column.included) {
            walked_columns.push_back(column);
            mapped.push_back(shadow_attnum(at, after, column.attnum));
        }
    }
    into.key.index = walked.name;
    into.key.carried = !keeps_key(at, after, walked);
    if (into.key.carried) {
        co_await carry_key(at, walked_columns, into);
    }
    for (std::size_t place = 0; place < walked_columns.size(); ++place) {
        std::string write_name = fmt::format("pgeist_key_{}", place + 1);
        if (!into.key.carried) {
            write_name = after.find_column(mapped[place])->name;
        }
        auto column =
            co_await plan_key_column(at.conn, at.source, walked_columns[place], std::move(write_name), into.key);
        into.key.columns.push_back(std::move(column));
    }
    const catalog::index* found_by = nullptr;
    if (!into.key.carried) {
        found_by = choose_shadow_index(after, mapped, walked_columns);
    }
    if (found_by != nullptr && (must_be_younger(after, *found_by) || comes_later(after, *found_by))) {
        found_by = nullptr;  // it must not be the first
    }
    if (found_by != nullptr) {
        into.key_index = rebuild_index(after, *found_by, at.shadow);
        estimate_build(at, *found_by, into.key_index);
    } else {
        into.key_index = temporary_index(at, into.key);
        into.key_index.build_cost = build_cost(walked, walked.rows);
        into.key_index_is_temporary = true;
    }
    plan_identity(at, after, found_by, into);
    plan_other_indexes(at, after, found_by, into);
    for (plan::index& each : into.indexes) {
        co_await note_meaning(at, after, each);
    }
}

}  // namespace pgeist::target
