// Statements that rewrite a table by themselves, and work that no other rule has a name for.

#include <fmt/format.h>

#include "../rule.hpp"

namespace pgeist::lint {

namespace {

using ddl::statement_kind;

void full(const subject& on, reporter& to) {
    const bool vacuum = on.what.kind == statement_kind::vacuum && on.what.full;
    const bool repack = on.what.kind == statement_kind::repack && !on.what.concurrently;
    if (!vacuum && on.what.kind != statement_kind::cluster && !repack) {
        return;
    }
    const std::string table =
        on.does.rewrites.empty() || on.does.rewrites.front() == "*" ? "TABLE" : on.does.rewrites.front();
    std::vector<std::string> instead{fmt::format("pgeist run -d DATABASE --table {} --repack", table)};
    if (on.options.server.major >= 19) {
        instead.push_back(fmt::format("REPACK (CONCURRENTLY) {};", table));
    }
    if (on.rewrites(on.does)) {
        to.add("vacuum-full-or-cluster", on.block_level(on.does),
               fmt::format("{} written anew{}", joined(on.does.rewrites) + " is", on.waiting(on.does)),
               std::move(instead));
    }
}

void refreshed(const subject& on, reporter& to) {
    if (on.what.kind == statement_kind::refresh && !on.what.concurrently && on.rewrites(on.does)) {
        to.add("refresh-without-concurrently", on.block_level(on.does),
               fmt::format("{} is filled anew{}", joined(on.does.rewrites), on.waiting(on.does)),
               {with_concurrently(on.what.text, "view") + "; -- needs a unique index over all rows"});
    }
}

/// REFRESH again, by any name that the server gives to the storage it makes.
void stored(const subject& on, reporter& to) {
    using ddl::clause_kind;
    for (std::size_t at = 0; at < on.what.clauses.size(); ++at) {
        const ddl::clause& each = on.what.clauses[at];
        const bool moves = each.kind == clause_kind::set_logged || each.kind == clause_kind::set_unlogged ||
                           each.kind == clause_kind::set_tablespace || each.kind == clause_kind::set_access_method;
        if (moves && on.rewrites(on.of_clause(at)) && on.rewrites(on.does)) {
            const bool logs = each.kind == clause_kind::set_logged || each.kind == clause_kind::set_unlogged;
            to.add("table-rewrite", on.block_level(on.of_clause(at)),
                   fmt::format("{} is written anew{}", joined(on.of_clause(at).rewrites), on.waiting(on.of_clause(at))),
                   logs ? std::vector<std::string>{"at a time when nobody needs the table"}
                        : std::vector<std::string>{pgeist_run(on, each.text)});
        }
    }
}

}  // namespace

const std::vector<rule>& maintenance_rules() {
    static const std::vector<rule> rules{
        {{"vacuum-full-or-cluster", level::error,
          "VACUUM FULL, CLUSTER and REPACK write the table anew under ACCESS EXCLUSIVE.",
          "Nobody reads or writes it until it and all its indexes are written.",
          "`pgeist run --repack`; on PostgreSQL 19 also REPACK (CONCURRENTLY)."},
         full},
        {{"refresh-without-concurrently", level::error, "REFRESH MATERIALIZED VIEW keeps its readers out.",
          "It takes ACCESS EXCLUSIVE for as long as its query takes. CONCURRENTLY lets them read the old rows.",
          "REFRESH MATERIALIZED VIEW CONCURRENTLY, with a unique index over all rows."},
         refreshed},
        {{"table-rewrite", level::error, "The statement writes a table anew while others wait.",
          "SET LOGGED, SET UNLOGGED, SET TABLESPACE, SET ACCESS METHOD, and whatever else was found to rewrite.",
          "`pgeist run`."},
         stored},
        {{"table-scan", level::error, "The statement reads a table from beginning to end while others wait.",
          "Told where no other rule has a better name for it.",
          "Look for a form with NOT VALID and VALIDATE, or `pgeist run`."},
         nullptr},
        {{"index-build", level::error, "The statement builds an index while others wait.",
          "Told where no other rule has a better name for it.", "CREATE INDEX CONCURRENTLY before, or `pgeist run`."},
         nullptr},
    };
    return rules;
}

}  // namespace pgeist::lint
