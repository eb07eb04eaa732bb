#include "pgeist/report/observer.hpp"

namespace pgeist::report {

void observer::concerns(std::int64_t) {}

void observer::steps_in(std::int64_t /*job*/) {}

void observer::not_revertible(const std::string&) {}

void observer::rehearsed(const rehearsal& /*found*/) {}

void observer::verified_before(const std::string&) {}

void observer::step_changed(const step_event&) {}

void observer::described(const description&) {}

permission observer::may_swap(std::string&) { return permission::granted; }

}  // namespace pgeist::report
