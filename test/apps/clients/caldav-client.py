"""A calendar at the address that is given: it is made, gets an event, and finds it by its time and by its address."""

import datetime
import json
import sys

import caldav

with caldav.DAVClient(url=sys.argv[1], username="anna", password="secret") as client:
    principal = client.principal()
    calendar = principal.make_calendar(name="Fête", cal_id="family")
    start = datetime.datetime(2030, 5, 1, 10, tzinfo=datetime.timezone.utc)
    event = calendar.save_event(dtstart=start, dtend=start + datetime.timedelta(hours=1), summary="Frühstück")
    found = calendar.search(
        start=start - datetime.timedelta(days=1), end=start + datetime.timedelta(days=1), event=True, expand=False
    )
    event.load()
    event.icalendar_component["summary"] = "Brunch"
    event.save()
    names = [each.get_display_name() for each in principal.calendars()]
    titles = [str(each.icalendar_component["summary"]) for each in calendar.events()]
    print(json.dumps({"found": len(found), "calendars": names, "titles": titles, "url": str(event.url)}))
    event.delete()
    assert calendar.events() == []
