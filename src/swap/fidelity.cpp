#include "pgeist/swap/fidelity.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/swap/temporary_views.hpp"

namespace pgeist::swap {

namespace {

std::vector<std::string> only_in(const std::vector<std::string>& left, const std::vector<std::string>& right) {
    std::vector<std::string> lines;
    std::set_difference(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(lines));
    return lines;
}

[[noreturn]] void throw_lost(const plan::blueprint& plan, const std::string& what) {
    throw error(
        exit_code::failed, fmt::format("the new {} would not be what was planned: {}", plan.table.display(), what),
        "nothing was swapped, the source table is untouched; please report this; pgeist cleanup JOB removes the "
        "job");
}

/// The objects elsewhere that were read again from text and use other operators than when that was tried.
awaitable<std::vector<std::string>> with_other_operators(pg::connection& session, const plan::blueprint& plan) {
    std::vector<std::string> conditions;
    std::vector<std::string> found;
    for (const plan::statement& each : plan.same_operators) {
        conditions.push_back(
            fmt::format("SELECT {} WHERE NOT coalesce({}, false)", quote_literal(each.label), each.sql));
    }
    if (conditions.empty()) {
        co_return found;
    }
    const auto rows = co_await session.query(join(conditions, " UNION ALL "));
    for (int row = 0; row < rows.rows(); ++row) {
        found.push_back(rows.text(row, 0));
    }
    co_return found;
}

std::vector<std::int64_t> sources_of(const std::vector<const plan::blueprint*>& plans) {
    std::vector<std::int64_t> oids;
    for (const plan::blueprint* each : plans) {
        oids.push_back(each->source_oid);
    }
    return oids;
}

std::vector<std::int64_t> shadows_of(const std::vector<const plan::blueprint*>& plans) {
    std::vector<std::int64_t> oids;
    for (const plan::blueprint* each : plans) {
        oids.push_back(each->shadow_oid);
    }
    return oids;
}

}  // namespace

awaitable<void> warm_up(pg::connection& session, std::vector<const plan::blueprint*> plans) {
    const pg::connection::kept_plans keep(session);
    const std::vector<std::int64_t> sources = sources_of(plans);
    co_await catalog::read_definitions(session, sources);
    co_await catalog::read_definitions(session, shadows_of(plans));
    pg::inquiry ask(session, sources);
    for (const std::int64_t each : sources) {
        co_await catalog::names_of_dependents(ask, each);
        static_cast<void>(co_await rights_of_old(ask, each));
    }
}

awaitable<std::string> rights_of_old(pg::inquiry& ask, std::int64_t source_oid) {
    const pg::connection::kept_plans keep(ask.session());
    const pg::result row = co_await ask.ask(R"(
        WITH own AS (SELECT $1::bigint::oid AS oid UNION ALL  -- sequences of other than identity columns change hands
                     SELECT d.objid FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                        AND d.refobjid = $1::bigint::oid AND d.deptype = 'i')
        SELECT coalesce((SELECT string_agg(ROW(c.oid, c.relacl, y.typacl)::text, ' ' ORDER BY c.oid)
                           FROM own JOIN pg_class c ON c.oid = own.oid LEFT JOIN pg_type y ON y.oid = c.reltype), '')
               || coalesce((SELECT string_agg(ROW(attnum, attacl)::text, ' ' ORDER BY attnum)
                              FROM pg_attribute WHERE attrelid = $1::bigint::oid AND attnum > 0), ''))",
                                            source_oid);
    co_return row.text(0, 0);
}

namespace {

void compare(const plan::blueprint& plan, catalog::table found) {
    const std::vector<std::string> lines = catalog::definition_in_swap(std::move(found));
    const std::vector<std::string> missing = only_in(plan.expected, lines);
    const std::vector<std::string> extra = only_in(lines, plan.expected);
    if (!missing.empty()) {
        throw_lost(plan, "missing " + join(missing, "; ") + (extra.empty() ? "" : "; found " + join(extra, "; ")));
    }
    if (!extra.empty()) {
        throw_lost(plan, "unexpected " + join(extra, "; "));
    }
}

awaitable<void> require_none_left(pg::inquiry& of_sources, const plan::blueprint& plan) {
    const std::vector<std::string> left = co_await catalog::names_of_dependents(of_sources, plan.source_oid);
    if (!left.empty()) {
        std::vector<report::blocker> views = co_await temporary_views(of_sources.session(), plan.source_oid);
        if (views.size() == left.size()) {
            throw temporary_views_left(std::move(views));
        }
        throw_lost(plan, join(left, ", ") + " still belongs to the old table");
    }
}

}  // namespace

awaitable<void> require_nothing_lost(pg::connection& session, std::vector<const plan::blueprint*> plans) {
    const pg::connection::kept_plans keep(session);
    std::vector<catalog::table> found = co_await catalog::read_definitions(session, shadows_of(plans));
    for (std::size_t place = 0; place < plans.size(); ++place) {
        compare(*plans[place], std::move(found[place]));
        const std::vector<std::string> changed = co_await with_other_operators(session, *plans[place]);
        if (!changed.empty()) {
            throw_lost(*plans[place], join(changed, ", ") + " would use other operators or functions than before");
        }
    }
    pg::inquiry ask(session, sources_of(plans));
    for (const plan::blueprint* each : plans) {
        co_await require_none_left(ask, *each);
    }
}

}  // namespace pgeist::swap
