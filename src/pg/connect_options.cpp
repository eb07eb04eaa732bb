#include "pgeist/pg/connect_options.hpp"

namespace pgeist::pg {

void connect_options::set(const std::string& keyword, const std::string& value) {
    for (auto& [name, old] : values_) {
        if (name == keyword) {
            old = value;
            return;
        }
    }
    values_.emplace_back(keyword, value);
}

std::string connect_options::get(const std::string& keyword) const {
    for (const auto& [name, value] : values_) {
        if (name == keyword) {
            return value;
        }
    }
    return {};
}

}  // namespace pgeist::pg
