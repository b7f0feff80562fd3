"""What is known of data roots of the older project zby/DayDreamingDayDreaming."""
