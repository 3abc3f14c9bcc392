from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("background", "0001_initial")]

    operations = [
        migrations.AddField("task", "priority", models.SmallIntegerField(default=0)),
        migrations.AddField("task", "run_after", models.DateTimeField(null=True)),
    ]
