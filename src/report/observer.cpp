#include "pgeist/report/observer.hpp"

namespace pgeist::report {

void observer::described(const description&) {}

permission observer::may_swap(std::string&) { return permission::granted; }

}  // namespace pgeist::report
