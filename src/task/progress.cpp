#include "pgeist/task/progress.hpp"

#include <utility>

#include "pgeist/job/events.hpp"

namespace pgeist::task {

job::heartbeat heartbeat_of(const report::progress& now, std::string state) {
    job::heartbeat made;
    made.rows_done = now.rows_done;
    made.rows_total = now.rows_total;
    made.log_pending = now.log_pending;
    made.throttled = now.throttled;
    made.state = std::move(state);
    return made;
}

awaitable<void> store_events(pg::connection& session, std::int64_t job, report::event_recorder& told) {
    auto events = told.take_events();
    try {
        while (!events.empty()) {
            co_await job::add_event(session, job, events.front().first, events.front().second);
            events.pop_front();
        }
    } catch (const pg::sql_error&) {
        told.give_back(std::move(events));
    } catch (...) {  // cancelled in the middle of it: they are stored at the end
        told.give_back(std::move(events));
        throw;
    }
}

}  // namespace pgeist::task
