#include "app/gui/packet_motion.h"

#include <algorithm>
#include <cmath>

namespace natlens::gui {

using diagram::Point;

std::pair<Point, double> alongPolyline(const std::vector<Point> &points, double share) {
    if (points.empty()) return {{}, 0};
    double length = 0;
    for (std::size_t i = 1; i < points.size(); ++i)
        length += std::hypot(points[i].x - points[i - 1].x, points[i].y - points[i - 1].y);
    double left = std::clamp(share, 0.0, 1.0) * length;
    double angle = 0;
    for (std::size_t i = 1; i < points.size(); ++i) {
        const double dx = points[i].x - points[i - 1].x;
        const double dy = points[i].y - points[i - 1].y;
        const double part = std::hypot(dx, dy);
        if (part <= 0) continue;
        angle = std::atan2(dy, dx);
        if (left <= part) return {{points[i - 1].x + dx * left / part, points[i - 1].y + dy * left / part}, angle};
        left -= part;
    }
    return {points.back(), angle};
}

void PacketMotion::observe(const diagram::DisplayList &list, Time now) {
    for (auto &[id, track] : m_tracks)
        track.present = false;

    std::unordered_map<std::string, int> repeated;
    for (const diagram::Arrow &arrow : list.arrows) {
        if (arrow.trackId.empty()) continue;
        std::string id = arrow.trackId;
        if (const int n = repeated[id]++; n > 0) id += "#" + std::to_string(n);

        Track &track = m_tracks[id];
        track.present = true;
        track.points = arrow.points;
        track.colour = arrow.stroke;
        track.reply = arrow.trackId.ends_with("/reply") || arrow.stroke == diagram::Token::reply;
        track.drop = arrow.head == diagram::ArrowHead::cross;
        if (arrow.packets <= track.seen) continue;

        std::uint64_t fresh = arrow.packets - track.seen;
        track.seen = arrow.packets;
        while (!track.starts.empty() && track.starts.front() + duration(track) <= now)
            track.starts.pop_front();
        Time start = now + kTravel * std::max(0, arrow.ref.segment);
        if (!track.starts.empty()) start = std::max(start, track.starts.back() + kGap);
        for (; fresh > 0 && track.starts.size() < kMaxOnTrack; --fresh, start += kGap) {
            track.starts.push_back(start);
            m_end = std::max(m_end, start + duration(track));
        }
    }
}

std::vector<PacketMotion::Sprite> PacketMotion::at(Time now) const {
    std::vector<Sprite> sprites;
    for (const auto &[id, track] : m_tracks) {
        if (!track.present) continue;
        for (const Time start : track.starts) {
            const Time age = now - start;
            if (age < Time(0) || age >= duration(track)) continue;
            Sprite sprite;
            sprite.colour = track.colour;
            sprite.reply = track.reply;
            sprite.phase = age < kTravel ? Phase::travelling : Phase::bursting;
            sprite.progress = age < kTravel ? age / kTravel : (age - kTravel) / kBurst;
            std::tie(sprite.at, sprite.angle) =
                alongPolyline(track.points, sprite.phase == Phase::travelling ? sprite.progress : 1.0);
            sprites.push_back(sprite);
        }
    }
    return sprites;
}

void PacketMotion::prune(Time now) {
    for (auto &[id, track] : m_tracks)
        while (!track.starts.empty() && track.starts.front() + duration(track) <= now)
            track.starts.pop_front();
}

void PacketMotion::settle() {
    for (auto &[id, track] : m_tracks)
        track.starts.clear();
    m_end = Time(0);
}

void PacketMotion::reset() {
    m_tracks.clear();
    m_end = Time(0);
}

} // namespace natlens::gui
