#include "rows.hpp"

#include <fmt/format.h>

#include "pgeist/core/ascii.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::job {

awaitable<pg::result> write(pg::connection& session, std::string sql, pg::parameters values) {
    pg::result done;
    bool lacks = false;
    try {
        done = co_await session.query_params(sql, values, deadline::never());
    } catch (const pg::sql_error& failure) {
        lacks = failure.is(pg::sqlstate::untranslatable_character);
        if (!lacks) {
            throw;
        }
    }
    if (lacks) {
        for (auto& each : values) {
            each = each ? std::optional<std::string>(to_ascii(*each)) : std::nullopt;
        }
        done = co_await session.query_params(std::move(sql), std::move(values), deadline::never());
    }
    co_return done;
}

bool is_state_gone(const pg::sql_error& failure) {
    return failure.is(pg::sqlstate::undefined_table) || failure.is(pg::sqlstate::invalid_schema_name);
}

void throw_not_ours(std::int64_t job) {
    throw error(exit_code::already_running,
                fmt::format("job {} was taken on, or removed, by someone else meanwhile", job),
                "nothing was done to it since; look with: pgeist status");
}

void require_ours(tenure mine, const pg::result& changed) {
    if (changed.affected() == 0) {
        throw_not_ours(mine.job);
    }
}

}  // namespace pgeist::job
