#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11.hpp>

#include "pgeist/core/json_text.hpp"

/// What is stored of a job as JSON: every struct that Boost.Describe knows, member by member. (Boost.JSON reads
/// described structs too, but only such as have all members; what is stored by an earlier version lacks some.)
///
/// A struct may say more of its members, found by argument-dependent lookup:
/// - `std::string_view json_name(const T&, std::string_view member)`: the name that a member has there;
/// - `bool json_may_lack(const T&, std::string_view member)`: earlier versions did not store it, its default holds.
/// Times are whole milliseconds, enums that are described their names, others their numbers.
namespace pgeist::described_json {

namespace json = boost::json;

/// What holds where a struct says nothing else.
namespace defaults {
template <class T>
[[nodiscard]] std::string_view json_name(const T&, std::string_view member) {
    return member;
}
template <class T>
[[nodiscard]] bool json_may_lack(const T&, std::string_view) {
    return false;
}
}  // namespace defaults

template <class T>
using members_of = boost::describe::describe_members<T, boost::describe::mod_public>;

template <class T>
[[nodiscard]] json::value write(const T& value);
template <class T>
[[nodiscard]] json::value write(const std::vector<T>& values);
template <class T>
[[nodiscard]] json::value write(const std::optional<T>& value);
template <class T>
void read(const json::value& from, T& into);
template <class T>
void read(const json::value& from, std::vector<T>& into);
template <class T>
void read(const json::value& from, std::optional<T>& into);

template <class T>
json::value write_struct(const T& value) {
    using defaults::json_name;
    json::object object;
    boost::mp11::mp_for_each<members_of<T>>(
        [&](auto member) { object.emplace(json_name(value, member.name), write(value.*member.pointer)); });
    return object;
}

template <class T>
void read_struct(const json::value& from, T& into) {
    using defaults::json_may_lack;
    using defaults::json_name;
    const json::object& object = from.as_object();
    boost::mp11::mp_for_each<members_of<T>>([&](auto member) {
        const json::value* found = object.if_contains(json_name(into, member.name));
        if (found != nullptr) {
            read(*found, into.*member.pointer);
        } else if (!json_may_lack(into, member.name)) {
            throw std::invalid_argument("there is no " + std::string(json_name(into, member.name)));
        }
    });
}

template <class T>
json::value write(const T& value) {
    if constexpr (boost::describe::has_describe_members<T>::value) {
        return write_struct(value);
    } else if constexpr (boost::describe::has_describe_enumerators<T>::value) {
        return json::string(boost::describe::enum_to_string(value, ""));
    } else if constexpr (std::is_enum_v<T>) {
        return static_cast<std::int64_t>(value);
    } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
        return static_cast<std::int64_t>(value.count());
    } else {
        return json::value_from(value);
    }
}

template <class T>
json::value write(const std::vector<T>& values) {
    json::array all;
    for (const T& each : values) {
        all.push_back(write(each));
    }
    return all;
}

template <class T>
json::value write(const std::optional<T>& value) {
    return value ? write(*value) : json::value(nullptr);
}

template <class T>
void read(const json::value& from, T& into) {
    if constexpr (boost::describe::has_describe_members<T>::value) {
        read_struct(from, into);
    } else if constexpr (boost::describe::has_describe_enumerators<T>::value) {
        if (!boost::describe::enum_from_string(std::string(from.as_string()).c_str(), into)) {
            throw std::invalid_argument("unknown value " + std::string(from.as_string()));
        }
    } else if constexpr (std::is_enum_v<T>) {
        into = static_cast<T>(from.to_number<std::int64_t>());
    } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
        into = std::chrono::milliseconds(from.to_number<std::int64_t>());
    } else {
        into = json::value_to<T>(from);
    }
}

template <class T>
void read(const json::value& from, std::vector<T>& into) {
    into.clear();
    for (const json::value& each : from.as_array()) {
        read(each, into.emplace_back());
    }
}

template <class T>
void read(const json::value& from, std::optional<T>& into) {
    into.reset();
    if (!from.is_null()) {
        read(from, into.emplace());
    }
}

/// One line of JSON.
template <class T>
[[nodiscard]] std::string to_text(const T& value) {
    return json::serialize(write(value));
}

/// @throws std::exception when the text is no such value
template <class T>
[[nodiscard]] T from_text(const std::string& text) {
    T value;
    read(json_from(text), value);
    return value;
}

}  // namespace pgeist::described_json
