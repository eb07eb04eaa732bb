#include "planned.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "pgeist/ddl/statement.hpp"

namespace pgeist::native {

namespace {

/// The relations that a statement is about, as they were written.
std::vector<qualified_name> named_in(const ddl::statement& what) {
    using enum ddl::statement_kind;
    const bool drops_tables = what.kind == drop && what.object == ddl::object_kind::table;
    if (drops_tables) {
        return what.relations;
    }
    const bool about_one = what.kind == alter_table || what.kind == create_index || what.kind == update ||
                           what.kind == remove || what.kind == insert;
    return about_one && !what.relation.name.empty() ? std::vector<qualified_name>{what.relation}
                                                    : std::vector<qualified_name>();
}

}  // namespace

awaitable<void> require_same_table(pg::connection& session, std::int64_t job, const steps::step& of) {
    if (of.table.empty()) {
        co_return;
    }
    const pg::result row = co_await session.query(
        "SELECT c.oid IS NOT NULL AND j.table_oid <> c.oid FROM pgeist.jobs j LEFT JOIN pg_class c ON c.oid = "
        "to_regclass($2) WHERE j.id = $1 AND j.table_oid <> 0",
        job, of.table);
    if (!row.empty() && row.boolean(0, 0)) {
        throw error(exit_code::failed,
                    fmt::format("{} is another table than the one that the job was planned for", of.table),
                    fmt::format("take back what the job has not finished with: pgeist cleanup {}; then run the change "
                                "anew",
                                job));
    }
}

awaitable<void> require_same_names(pg::connection& session, const steps::step& of) {
    std::vector<std::string> planned;
    for (const probe::relation_lock& each : of.locks) {
        planned.push_back(each.relation);
    }
    if (!of.table.empty()) {
        planned.push_back(of.table);
    }
    if (planned.empty() || std::find(planned.begin(), planned.end(), "*") != planned.end()) {
        co_return;
    }
    const std::string names = pg::array_literal(planned);
    const std::vector<qualified_name> all = named_in(ddl::understand(of.statement));
    for (const qualified_name& each : all) {
        const pg::result row = co_await session.query(
            "SELECT to_regclass($1)::text FROM pg_catalog.unnest($2::text[]) AS name HAVING "
            "pg_catalog.bool_and(pg_catalog.to_regclass(name) IS DISTINCT FROM pg_catalog.to_regclass($1))",
            ddl::sql_name(each), names);
        if (!row.empty() && !row.is_null(0, 0)) {
            throw error(exit_code::failed,
                        fmt::format("{} is {} by now, and the step was planned for {}: {}", each.display(),
                                    row.text(0, 0), of.table, of.statement),
                        "drop or rename the one that has come in between, or run the statement by itself");
        }
    }
}

}  // namespace pgeist::native
