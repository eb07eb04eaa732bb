#include "register.hpp"

#include <array>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/job/in_tenure.hpp"

namespace pgeist::concurrently {

namespace {

constexpr std::array names{"create", "reindex", "drop", "detach"};

std::string text_of(const entry& what) {
    boost::json::object out;
    out["what"] = names[static_cast<std::size_t>(what.what)];
    out["table"] = what.table_oid;
    out["schema"] = what.name.schema;
    out["name"] = what.name.name;
    out["oid"] = what.oid;
    out["made"] = what.made_oid;
    out["for_constraint"] = what.for_constraint;
    return boost::json::serialize(out);
}

// TOAST's indexes are not the table's; a statement of ours is about either.
constexpr const char* add_sql = R"sql(
    UPDATE pgeist.jobs SET builds = builds || jsonb_build_object($2::text, $3::jsonb || jsonb_build_object('there',
        (SELECT coalesce(jsonb_agg(indexrelid::bigint::text), '[]') FROM pg_index WHERE indrelid = $4::bigint::oid)))
     WHERE id = $1 AND NOT builds ? $2)sql";

awaitable<void> add_once(pg::connection& session, std::int64_t job, const entry& what) {
    co_await session.query(add_sql, job, what.key(), text_of(what), what.table_oid);
}

awaitable<void> change_once(pg::connection& session, std::int64_t job, const std::string& sql, const std::string& key,
                            std::int64_t value) {
    co_await session.query(sql, job, key, value);
}

awaitable<void> change(pg::connection& session, job::tenure mine, std::string sql, std::string key,
                       std::int64_t value) {
    const auto changing = [&] { return change_once(session, mine.job, sql, key, value); };
    co_await job::in_tenure(session, mine, pg::isolation::read_committed, changing);
}

entry entry_from(const pg::result& rows, int row) {
    entry one;
    const std::string name = rows.text(row, "what");
    std::size_t at = 0;
    while (at < names.size() && name != names[at]) {
        ++at;
    }
    if (at == names.size()) {
        throw error(exit_code::refused, fmt::format("what the job was about to do is unknown here: {}", name),
                    "use the version of pgeist that started the job");
    }
    one.what = static_cast<deed>(at);
    one.table_oid = rows.integer(row, "table_oid");
    one.name.schema = rows.text(row, "schema");
    one.name.name = rows.text(row, "name");
    one.oid = rows.integer(row, "oid");
    one.made_oid = rows.integer(row, "made");
    one.for_constraint = rows.boolean(row, "for_constraint");
    one.there = rows.array(row, "there");
    return one;
}

}  // namespace

std::string entry::key() const { return fmt::format("{} {}", names[static_cast<std::size_t>(what)], name.sql()); }

awaitable<void> add(pg::connection& session, job::tenure mine, entry what) {
    const auto adding = [&] { return add_once(session, mine.job, what); };
    co_await job::in_tenure(session, mine, pg::isolation::read_committed, adding);
}

awaitable<void> note_made(pg::connection& session, job::tenure mine, const entry& what, std::int64_t index_oid) {
    const char* member = what.what == deed::create ? "oid" : "made";
    co_await change(
        session, mine,
        fmt::format("UPDATE pgeist.jobs SET builds = jsonb_set(builds, ARRAY[$2, '{}'], to_jsonb($3::bigint)) "
                    "WHERE id = $1 AND builds ? $2",
                    member),
        what.key(), index_oid);
}

awaitable<void> remove(pg::connection& session, job::tenure mine, const entry& what) {
    co_await change(session, mine, "UPDATE pgeist.jobs SET builds = builds - $2 WHERE id = $1 AND $3::bigint = 0",
                    what.key(), 0);
}

awaitable<std::vector<entry>> load(pg::connection& session, std::int64_t job) {
    // A job of an earlier version, in a state that nobody has brought up to date, has no such column.
    const pg::result rows = co_await session.query(R"sql(
        SELECT e.value ->> 'what' AS what, (e.value ->> 'table')::bigint AS table_oid, e.value ->> 'schema' AS schema,
               e.value ->> 'name' AS name, (e.value ->> 'oid')::bigint AS oid, (e.value ->> 'made')::bigint AS made,
               (e.value ->> 'for_constraint')::boolean AS for_constraint,
               ARRAY(SELECT jsonb_array_elements_text(e.value -> 'there')) AS there
          FROM pgeist.jobs j CROSS JOIN LATERAL jsonb_each(coalesce(to_jsonb(j) -> 'builds', '{}')) AS e
         WHERE j.id = $1 ORDER BY e.key)sql",
                                                   job);
    std::vector<entry> all;
    for (int row = 0; row < rows.rows(); ++row) {
        all.push_back(entry_from(rows, row));
    }
    co_return all;
}

}  // namespace pgeist::concurrently
