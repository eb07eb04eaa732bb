#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/sql/statements.hpp"
#include "pgeist/swap/plan/steps.hpp"

// ATTACH PARTITION reads the whole table under its lock unless a CHECK constraint is, word for word, the partition's
// constraint. The same goes for the parent's DEFAULT partition, which might hold rows of the new one.
namespace pgeist::swap {

namespace {

constexpr const char* proof_name = "pgeist_partition_bound";
/// Rows that are read under the lock within its usual time, when there is no proof.
constexpr std::int64_t most_rows_read = 100'000;

const std::string hash_call = "satisfies_hash_partition(";

/// The top-level arguments of the call whose opening parenthesis ends at `from`, as ranges of `text`.
std::vector<std::pair<std::size_t, std::size_t>> arguments_of(const std::string& text, std::size_t from) {
    std::vector<std::pair<std::size_t, std::size_t>> found;
    int depth = 0;
    char quote = 0;
    std::size_t begin = from;
    for (std::size_t at = from; at < text.size(); ++at) {
        const char c = text[at];
        if (quote != 0) {
            quote = c == quote ? '\0' : quote;  // a doubled quote closes and opens
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '(' || c == '[') {
            ++depth;
        } else if ((c == ',' || c == ')') && depth == 0) {
            found.emplace_back(begin, at);
            begin = text[at + 1] == ' ' ? at + 2 : at + 1;
            if (c == ')') {
                break;
            }
        } else if (c == ')' || c == ']') {
            --depth;
        }
    }
    return found;
}

/// Which key columns of a hash-partitioned table have a collation.
constexpr const char* collations_sql = R"(
    SELECT ARRAY(SELECT (c <> 0)::text FROM unnest(k.partcollation::oid[]) WITH ORDINALITY AS u(c, place) ORDER BY place)
      FROM pg_partitioned_table k WHERE k.partrelid = $1)";

struct hash_proof {
    std::string constraint;
    bool complete = true;
    bool needs_collations = false;
};

/// The server's own constraint calls the hash function without an input collation; written as a CHECK the call gets one
/// from the key, and the two are not the same. So the argument is written as a CASE of several collations, which is
/// known to have none, and which the server simplifies to the key before it compares. PostgreSQL 19 keeps the missing
/// collation when it simplifies: there is no proof there.
std::string without_collation(const build_context& at, const std::string& argument, const catalog::column& column) {
    const std::string row = fmt::format("(NULL::{})", qualified_name{at.passage_schema, "pgeist_collations"}.sql());
    return fmt::format("CASE WHEN true THEN {0} WHEN false THEN CAST({1}.c AS {2}) ELSE CAST({1}.p AS {2}) END",
                       argument, row, column.type);
}

awaitable<hash_proof> make_hash_proof(build_context& at, std::string constraint) {
    hash_proof proof;
    const bool loses_collation = at.conn.server_major() < 19;
    std::size_t from = 0;
    for (auto call = constraint.find(hash_call); call != std::string::npos; call = constraint.find(hash_call, from)) {
        from = call + hash_call.size();
        const auto arguments = arguments_of(constraint, from);
        const auto [begin, end] = arguments.at(0);
        const std::string parent = constraint.substr(begin + 1, constraint.find('\'', begin + 1) - begin - 1);
        const auto rows = co_await at.conn.query(collations_sql, parent);
        const auto collatable = rows.array(0, "array");
        bool needed = false;
        bool done = false;
        for (std::size_t key = 0; key < collatable.size() && key + 3 < arguments.size() && !done; ++key) {
            const auto [first, last] = arguments[key + 3];
            const std::string argument = constraint.substr(first, last - first);
            for (const auto& column : at.source.columns) {
                const bool is_column = argument == column.name || argument == quote_identifier(column.name);
                if (collatable[key] == "true" && is_column && loses_collation && !done) {
                    constraint.replace(first, last - first, without_collation(at, argument, column));
                    done = true;
                }
            }
            needed = needed || collatable[key] == "true";
        }
        proof.needs_collations = proof.needs_collations || done;
        proof.complete = proof.complete && (done || !needed);
    }
    proof.constraint = std::move(constraint);
    co_return proof;
}

void require_small(const build_context& at, const hash_proof& proof) {
    if (!proof.complete && at.source.estimated_rows > most_rows_read) {
        throw error(exit_code::refused,
                    fmt::format("{} is too large to be attached to {} again: the server would read all of it under the "
                                "lock, since a hash key has a collation and cannot be proven",
                                at.source.name.display(), at.source.parents),
                    "detach the partition, change it and attach it when it may be locked");
    }
}

/// The DEFAULT partition holds no row that belongs to the source: a fact that is proven to the server in advance, so
/// that it does not look for itself under the lock.
void prove_default(const build_context& at, const catalog::parent& parent, plan::blueprint& into) {
    if (parent.default_oid == 0 || parent.default_kind == 'f' || at.own_bound.empty()) {
        return;
    }
    const std::string table = parent.default_partition.sql();
    const std::string name = quote_identifier(at.job_schema + "_bound");
    const std::string label = "bounds of the default partition " + parent.default_partition.display();
    plan::swap_step prove;
    prove.when = plan::stage::before;
    prove.label = label;
    prove.sql =
        fmt::format("ALTER TABLE {0} DROP CONSTRAINT IF EXISTS {1}, ADD CONSTRAINT {1} CHECK (NOT ({2})) NOT VALID",
                    table, name, at.own_bound);
    prove.undo = fmt::format("ALTER TABLE IF EXISTS {} DROP CONSTRAINT IF EXISTS {}", table, name);
    into.swap.add(std::move(prove));
    into.swap.add(plan::stage::before, {label, fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", table, name)});
    into.swap.add(plan::stage::attach, {label, fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", table, name)});
}

}  // namespace

awaitable<void> prove_partition(build_context& at, plan::blueprint& into) {
    if (!at.source.is_partition) {
        co_return;
    }
    const auto& parent = at.source.inherits.front();
    prove_default(at, parent, into);
    if (parent.constraint.empty()) {
        co_return;  // the only partition, and the DEFAULT one: everything belongs to it
    }
    const hash_proof proof = co_await make_hash_proof(at, parent.constraint);
    require_small(at, proof);
    const std::string collations = qualified_name{at.passage_schema, "pgeist_collations"}.sql();
    statements all;
    if (proof.needs_collations) {
        all.push_back({"collations",
                       fmt::format("CREATE TYPE {} AS (c text COLLATE \"C\", p text COLLATE \"POSIX\")", collations)});
    }
    all.push_back({"the partition's bounds", fmt::format("ALTER TABLE {} ADD CONSTRAINT {} CHECK ({})", at.shadow.sql(),
                                                         proof_name, proof.constraint)});
    co_await run_statements(at, std::move(all));
    into.swap.add(plan::stage::attach, {"the partition's bounds", fmt::format("ALTER TABLE {} DROP CONSTRAINT {}",
                                                                              at.source.name.sql(), proof_name)});
    if (proof.needs_collations) {
        into.swap.add(plan::stage::attach, {"collations", "DROP TYPE " + collations});
    }
}

}  // namespace pgeist::swap
