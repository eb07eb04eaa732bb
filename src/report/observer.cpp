#include "pgeist/report/observer.hpp"

namespace pgeist::report {

void observer::described(const std::vector<std::string>&, const std::vector<std::string>&) {}

permission observer::may_swap(std::string&) { return permission::granted; }

}  // namespace pgeist::report
